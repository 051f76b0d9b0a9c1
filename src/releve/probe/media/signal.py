"""What a probe says and how it finds its echo: seeded chirps over a quiet bed tone.

Everything here is pure: arrays and times in, figures out. Samples are float32 in [-1, 1] at
RATE, times are seconds of one monotonic clock.

A *chirp* is a burst of CHIRP_SECONDS with a flat spectrum and seeded phases inside BAND, under
a Hann-tapered edge. Two seeds share nothing but the band, so a chirp answers to its own seed
alone: an echo of another call, another burst or another agent does not correlate. It sits where
Opus keeps the waveform, above the bed and below 4 kHz.

The chirp is found by the normalised cross-correlation of matched filtering (Knapp & Carter,
"The generalized correlation method for estimation of time delay", IEEE ASSP 24(4), 1976, with
unit weighting since the chirp is already white in its band), computed by FFT. The score is the
cosine between the template and what was heard (1 = same shape at any volume). Unrelated sound
scores like the cosine of random vectors of n = 2 * bandwidth * length = 408 dimensions: standard
deviation 1/sqrt(n) = 0.05, so MIN_SCORE is nine deviations out, while Opus twice over leaves
scores above 0.8. Between samples the peak is a parabola through its three highest points.

Where frames are lost, the receiver conceals them with more of what it had: a copy of a piece of
the chirp, up to a chirp's length late, which can be more alike than the damaged original. So where
a good part (COPY_SHARE) of the best place's correlation stands shortly before it, that earlier
place is the one to judge: nothing is copied before it is heard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Pcm = NDArray[np.int16]
Times = NDArray[np.float64]

RATE = 48_000
BAND = (600.0, 4_000.0)  # Hz
CHIRP_SECONDS = 0.06
CHIRP_EDGE = 0.006  # seconds it takes to rise, and to fall
CHIRP_PEAK = 0.5
BED_RMS = 10 ** (-30 / 20)
BED_HEARD_RMS = 10 ** (-45 / 20)  # 15 dB under what was said
BED_BLOCK = RATE // 50  # 20 ms: the resolution of silence, and 50 Hz between bed tones
MIN_SCORE = 0.45
COPY_SHARE = 0.5
COPY_APART = RATE // 500  # samples; nearer than 2 ms is the peak itself
QUIET = 1e-3  # RMS under which nothing is a chirp, however alike (-60 dBFS)
LONGEST_RTT = 3.0  # a later answer is none; a caller has given up long before
SETTLE = 0.5  # seconds of later frames that decide when a frame could be played


def seed(*parts: object) -> int:
    """A 64-bit seed from names and numbers, the same in every process."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def pcm(samples: Samples) -> Pcm:
    """16-bit samples, clipped at full scale."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)


def chirp(seed: int) -> Samples:
    """The burst of a seed: CHIRP_SECONDS at RATE, peak CHIRP_PEAK."""
    length = round(CHIRP_SECONDS * RATE)
    spectrum = np.zeros(length // 2 + 1, np.complex128)
    hertz = np.fft.rfftfreq(length, 1 / RATE)
    inside = (hertz >= BAND[0]) & (hertz <= BAND[1])
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, int(inside.sum()))
    spectrum[inside] = np.exp(1j * phases)
    burst = np.fft.irfft(spectrum, length)
    edge = np.hanning(2 * round(CHIRP_EDGE * RATE) + 1)
    half = len(edge) // 2
    burst[:half] *= edge[:half]
    burst[-half:] *= edge[-half:]
    return np.asarray(burst * (CHIRP_PEAK / np.abs(burst).max()), np.float32)


def bed_hertz(seed: int) -> int:
    """The bed tone of a call: 200 to 400 Hz by 50, so a neighbour's is likely another one."""
    return 200 + 50 * (seed % 5)


def bed(hertz: int, start: int, count: int) -> Samples:
    """`count` samples of the bed tone from sample number `start`, phase-continuous."""
    phase = 2 * np.pi * ((hertz * (start + np.arange(count))) % RATE) / RATE
    return np.asarray(np.sqrt(2) * BED_RMS * np.sin(phase), np.float32)


@dataclass(frozen=True, slots=True)
class Match:
    """Where a chirp starts in the samples searched (fractional index) and how alike it is."""

    index: float
    score: float


def find(chirp: Samples, heard: Samples) -> Match | None:
    """The best place of `chirp` in `heard`, or None when nothing there scores MIN_SCORE.

    None too when that may be a copy and the original is too damaged (see above): no delay is
    better than a wrong one.

    Cost is that of three FFTs of len(heard). Error against a known delay: under 0.05 sample
    without noise, under two at 0 dB SNR; half a sample where the peak is the first or last
    place searched, since a parabola needs both neighbours (tests/unit/test_signal.py).
    """
    if len(heard) < len(chirp) + 2:
        return None
    raw = _correlate(heard, chirp)
    squares = np.concatenate(([0.0], np.cumsum(np.square(heard, dtype=np.float64))))
    energy = squares[len(chirp) :] - squares[: -len(chirp)]
    loud = energy > QUIET**2 * len(chirp)
    scores = np.where(
        loud, raw / np.sqrt(np.where(loud, energy, 1.0) * np.sum(np.square(chirp))), 0.0
    )
    peak = int(np.argmax(scores))
    first = max(0, peak - len(chirp))
    alike = np.flatnonzero(raw[first : max(first, peak - COPY_APART)] > COPY_SHARE * raw[peak])
    if scores[peak] >= MIN_SCORE and len(alike):
        first += int(alike[0])
        peak = first + int(np.argmax(scores[first : first + COPY_APART]))
    if scores[peak] < MIN_SCORE:
        return None
    if not 0 < peak < len(scores) - 1:
        return Match(float(peak), float(scores[peak]))
    left, top, right = (float(value) for value in raw[peak - 1 : peak + 2])
    curve = left - 2 * top + right
    shift = 0.5 * (left - right) / curve if curve < 0 else 0.0
    return Match(peak + float(np.clip(shift, -0.5, 0.5)), float(scores[peak]))


def _correlate(heard: Samples, chirp: Samples) -> NDArray[np.float64]:
    """What scipy.signal.correlate(heard, chirp, mode="valid", method="fft") gives.

    To import that takes two seconds of a processor, in every probe that starts beside a call.
    """
    whole = len(heard) + len(chirp) - 1
    # The FFT is quick where its length has small factors only.
    length = min(odd << ((whole - 1) // odd).bit_length() for odd in (1, 3, 5, 9, 15))
    product = np.fft.rfft(heard, length) * np.fft.rfft(chirp[::-1], length)
    return np.asarray(np.fft.irfft(product, length)[len(chirp) - 1 : len(heard)], np.float64)


def playable(arrivals: Times, firsts: NDArray[np.int64]) -> Times:
    """When the first sample of each frame could be played: the time base of a recording.

    `arrivals` are the instants at which frames reached us, `firsts` the index of each frame's
    first sample. An arrival is late by whatever held the frame up in this process (a busy
    event loop hands over several at once), never early; and a real-time stream hands out later
    frames no sooner than their samples take to play. So every later frame j bounds frame k:
    playable(k) <= arrival(j) - (first(j) - first(k)) / RATE, and the least bound of the next
    SETTLE seconds is the answer. Bursts are straightened; a pause of the stream stays, because
    it only raises the bounds of frames after it; clock drift within SETTLE is nothing.
    """
    if len(arrivals) == 0:
        return arrivals
    nominal = firsts / RATE
    late = arrivals - nominal
    typical = float(np.median(np.diff(nominal))) if len(nominal) > 1 else SETTLE
    width = max(1, round(SETTLE / typical))
    padded = np.concatenate((late, np.full(width - 1, np.inf)))
    least = np.lib.stride_tricks.sliding_window_view(padded, width).min(axis=1)
    return np.asarray(least + nominal, np.float64)


class Recording:
    """A received track: its samples on a time base."""

    def __init__(self, frames: Sequence[tuple[float, Pcm]]) -> None:
        """`frames`: (arrival in seconds, 16-bit samples) in the order received; not empty."""
        lengths = np.array([len(samples) for _, samples in frames], np.int64)
        pcm = np.concatenate([samples for _, samples in frames])
        self.samples: Samples = np.asarray(pcm / 32768, np.float32)
        self._firsts = np.cumsum(lengths) - lengths
        self._times = playable(np.array([arrival for arrival, _ in frames]), self._firsts)

    def time(self, index: float) -> float:
        """The instant at which the sample of that index could be played, in seconds."""
        frame = int(np.searchsorted(self._firsts, index, side="right")) - 1
        return float(self._times[frame] + (index - self._firsts[frame]) / RATE)

    def index(self, time: float) -> int:
        """The first sample playable at `time` or later (len(samples) when there is none)."""
        frame = int(np.searchsorted(self._times, time, side="right")) - 1
        if frame < 0:
            return 0
        end = self._firsts[frame + 1] if frame + 1 < len(self._firsts) else len(self.samples)
        return int(min(self._firsts[frame] + np.ceil((time - self._times[frame]) * RATE), end))

    def place(self, chirp: Samples, said: float, longest: float) -> float | None:
        """The (fractional) sample at which a chirp begins, within `longest` seconds of `said`."""
        begin, end = self.index(said), self.index(said + longest)
        match = find(chirp, self.samples[begin : end + len(chirp)])
        return None if match is None else begin + match.index

    def delay(self, chirp: Samples, said: float, longest: float) -> float | None:
        """Seconds from `said` until the chirp was heard, if within `longest` seconds of it."""
        place = self.place(chirp, said, longest)
        return None if place is None else self.time(place) - said

    def bed_heard(self, hertz: int) -> Times:
        """Start times of the BED_BLOCK blocks in which the bed tone is there, ascending."""
        blocks = len(self.samples) // BED_BLOCK
        grid = self.samples[: blocks * BED_BLOCK].reshape(blocks, BED_BLOCK)
        phase = 2 * np.pi * hertz * np.arange(BED_BLOCK) / RATE
        # Not `grid @ ...`: for so small a product the BLAS library's threads cost more than it.
        real = np.einsum("ij,j->i", grid, np.cos(phase).astype(np.float32))
        imaginary = np.einsum("ij,j->i", grid, np.sin(phase).astype(np.float32))
        rms = np.hypot(real, imaginary) * (np.sqrt(2) / BED_BLOCK)
        loud = np.flatnonzero(rms >= BED_HEARD_RMS).tolist()
        return np.array([self.time(k * BED_BLOCK) for k in loud], np.float64)


def gaps(heard: Times, since: float, until: float) -> list[tuple[float, float]]:
    """The intervals of [since, until] not covered by blocks of BED_BLOCK that start at `heard`.

    Less than half a block is the time base's own jitter and left out.
    """
    block = BED_BLOCK / RATE
    inside = heard[(heard > since - block) & (heard < until)]
    begins = np.concatenate(([since], inside + block))
    ends = np.concatenate((inside, [until]))
    return [(float(a), float(b)) for a, b in zip(begins, ends, strict=True) if b - a > block / 2]


class SilenceWatch:
    """Follows one caller's silences over time, across calls joined anew.

    Nothing counts before the first block is heard.
    """

    def __init__(self, least_seconds: float) -> None:
        """Silences of at most `least_seconds` are not told."""
        self.heard_until: float | None = None
        self._least = least_seconds

    def feed(self, heard: Times) -> list[tuple[float, float]]:
        """Take in block starts (ascending, may repeat earlier ones); the silences they ended."""
        if len(heard) == 0:
            return []
        since = float(heard[0]) if self.heard_until is None else self.heard_until
        end = max(since, float(heard[-1]) + BED_BLOCK / RATE)
        self.heard_until = end
        return [(a, b) for a, b in gaps(heard, since, end) if b - a > self._least]

    def end(self, at: float) -> list[tuple[float, float]]:
        """The silence that was still going on when the watch ended, if any."""
        if self.heard_until is None or at - self.heard_until <= self._least:
            return []
        return [(self.heard_until, at)]
