"""The round trips and silences of one sentinel, second by second."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import numpy as np

from releve.probe.caller.call import Call
from releve.probe.media import signal

LEAST_SILENCE = 0.3  # seconds; shorter gaps are the codec's and the network's
SETTLED = signal.LONGEST_RTT + signal.CHIRP_SECONDS + signal.SETTLE
KEEP_SECONDS = 7.0  # of frames: what a chirp needs, and a late tick
NEAR_SECONDS = (
    0.8  # where a chirp is looked for first; to look through LONGEST_RTT takes thrice as long
)
BED_SECONDS = 1.0  # of frames heard before, by which the next ones get their time


@dataclass(frozen=True, slots=True)
class Tick:
    """Results since the last tick: round trips, and silences that ended (milliseconds).

    `said`: of how many chirps the round trips are; `said_at`: when the last of them was said.
    """

    said: int
    said_at: float
    rtts_ms: list[float]
    silences_ms: list[float]


class Listener:
    """The state of one sentinel across its calls, so that a rejoin counts as silence."""

    def __init__(self) -> None:
        self._silence = signal.SilenceWatch(LEAST_SILENCE)
        self._said: list[tuple[signal.Samples, float]] = []
        self._number = 0
        self._since = 0.0

    @property
    def echo_heard(self) -> bool:
        """Whether the echo was ever received."""
        return self._silence.heard_until is not None

    def start_call(self) -> None:
        """The call has its agent: expect its echo, and forget the chirps of earlier calls."""
        self._said.clear()
        self._since = time.monotonic()

    def seconds_without_echo(self) -> float:
        """Seconds since the last echo in this call."""
        return time.monotonic() - max(self._since, self._silence.heard_until or 0.0)

    async def tick(self, call: Call) -> Tick:
        """Send a chirp, and analyse what was received. The analysis runs in a thread."""
        self._number += 1
        self._said.append(await call.say(self._number))
        return await self.collect(call)

    async def collect(self, call: Call) -> Tick:
        """Analyse what was received since, without a new chirp, as before a call closes."""
        ripe = [said for said in self._said if said[1] < time.monotonic() - SETTLED]
        self._said = self._said[len(ripe) :]
        sinks = [frames for _, sink in call.sinks if (frames := sink.frames())]
        return await asyncio.to_thread(self._analyse, sinks, ripe, call.bed_hertz)

    def end(self) -> list[float]:
        """The silence that was still going on, if it is long enough to count."""
        return _milliseconds(self._silence.end(time.monotonic()))

    def _analyse(
        self,
        sinks: list[list[tuple[float, signal.Pcm]]],
        ripe: list[tuple[signal.Samples, float]],
        bed_hertz: int,
    ) -> Tick:
        recordings = [signal.Recording(frames) for frames in sinks] if ripe else []
        delays = [
            min(found)
            for chirp, at in ripe
            if (found := [d for r in recordings if (d := _delay(r, chirp, at)) is not None])
        ]
        since = (self._silence.heard_until or 0.0) - BED_SECONDS
        fresh = [
            late for frames in sinks if (late := [frame for frame in frames if frame[0] > since])
        ]
        blocks = [signal.Recording(frames).bed_heard(bed_hertz) for frames in fresh]
        heard = np.sort(np.concatenate(blocks)) if blocks else np.zeros(0)
        silences = self._silence.feed(heard)
        rtts_ms = [round(delay * 1000, 1) for delay in delays]
        said_at = ripe[-1][1] if ripe else 0.0
        return Tick(len(ripe), said_at, rtts_ms, _milliseconds(silences))


def _delay(recording: signal.Recording, chirp: signal.Samples, at: float) -> float | None:
    near = recording.delay(chirp, at, NEAR_SECONDS)
    return recording.delay(chirp, at, signal.LONGEST_RTT) if near is None else near


def _milliseconds(intervals: list[tuple[float, float]]) -> list[float]:
    return [round((end - begin) * 1000, 1) for begin, end in intervals]
