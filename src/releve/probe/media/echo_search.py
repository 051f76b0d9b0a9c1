"""Finds the chirps that a call sent in the audio that it received, after the call. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from releve.probe.media import signal, snr

Frames = list[tuple[float, signal.Pcm]]


@dataclass(slots=True)
class CallAudio:
    """The audio of one call: chirps sent with their times, frames received with their arrivals.

    Times are seconds of one clock; `until` is when the call stopped listening.
    """

    bed_hertz: int
    chirps: list[tuple[signal.Samples, float]] = field(default_factory=list)
    heard: Frames = field(default_factory=list)
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Echoes:
    """Round trips of the chirps that came back, their SNR, and the longest silence.

    The silence is None if nothing came back at all.
    """

    rtts_ms: list[float]
    snr_db: float | None
    longest_silence_ms: float | None


def analyse(said: CallAudio, longest: float) -> Echoes:
    """Find each chirp within `longest` seconds of its sending, and the gaps in the bed tone."""
    if not said.heard:
        return Echoes([], None, None)
    recording = signal.Recording(said.heard)
    found = [
        (chirp, at, place)
        for chirp, at in said.chirps
        if (place := recording.place(chirp, at, longest)) is not None
    ]
    clear = [
        snr.snr_db(chirp, recording.samples, place, said.bed_hertz) for chirp, _, place in found
    ]
    silence = None
    heard = recording.bed_heard(said.bed_hertz)
    if len(heard):
        gaps = signal.gaps(heard, float(heard[0]), said.until)
        silence = round(1000 * max((end - begin for begin, end in gaps), default=0.0), 1)
    return Echoes(
        [round((recording.time(place) - at) * 1000, 2) for _, at, place in found],
        round(float(np.median(clear)), 1) if clear else None,
        silence,
    )
