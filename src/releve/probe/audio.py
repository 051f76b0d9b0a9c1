"""Mouth and ear of a probe call: frames out at a steady pace, frames in with arrival times."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import numpy as np
from livekit import rtc

from releve.probe import signal

FRAME_MS = 20
QUEUE_MS = 20  # the least that takes a frame whole; more would be the probe's own delay


class Mic:
    """A 48 kHz mono microphone that always says the bed tone, and chirps when asked.

    20 ms frames: one SDK call per Opus packet. Its share of a measured delay is QUEUE_MS at
    most, and is part of the floor.
    """

    def __init__(self, bed_hertz: int) -> None:
        self._source = rtc.AudioSource(signal.RATE, 1, queue_size_ms=QUEUE_MS)
        self.track = rtc.LocalAudioTrack.create_audio_track("probe", self._source)
        count = signal.RATE * FRAME_MS // 1000
        # Bed tones are multiples of 50 Hz: 20 ms hold whole periods, so one frame serves for all.
        self._bed = signal.bed(bed_hertz, 0, count)
        self._bed_frame = _frame(self._bed)
        self._asked: deque[tuple[signal.Samples, asyncio.Future[float]]] = deque()

    def say(self, chirp: signal.Samples) -> asyncio.Future[float]:
        """Say a chirp over the bed at the next frame; resolves to when (monotonic seconds)."""
        said: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._asked.append((chirp, said))
        return said

    async def run(self) -> None:
        """Speak until cancelled. Late frames are not made up for: they would only queue."""
        pending: deque[rtc.AudioFrame] = deque()
        due = time.monotonic()
        while True:
            said = None
            if not pending and self._asked:
                chirp, said = self._asked.popleft()
                pending.extend(self._over_bed(chirp))
            now = time.monotonic()
            if said is not None and not said.done():
                said.set_result(now)
            await self._source.capture_frame(pending.popleft() if pending else self._bed_frame)
            due = max(due + FRAME_MS / 1000, now)
            await asyncio.sleep(due - time.monotonic())

    async def aclose(self) -> None:
        await self._source.aclose()

    def _over_bed(self, chirp: signal.Samples) -> list[rtc.AudioFrame]:
        count = -(-len(chirp) // len(self._bed))
        mixed = np.tile(self._bed, count)
        mixed[: len(chirp)] += chirp
        return [_frame(part) for part in np.split(mixed, count)]


class Ear:
    """Keeps the frames of one remote audio track, each with its arrival time."""

    def __init__(self, track: rtc.RemoteAudioTrack, frame_ms: int, keep_seconds: float) -> None:
        """Frames of `frame_ms`; the oldest are let go beyond `keep_seconds` of audio."""
        self._stream = rtc.AudioStream(
            track, sample_rate=signal.RATE, num_channels=1, frame_size_ms=frame_ms
        )
        self._frames: deque[tuple[float, signal.Pcm]] = deque(
            maxlen=round(keep_seconds * 1000 / frame_ms)
        )
        self._task = asyncio.create_task(self._listen())

    def frames(self) -> list[tuple[float, signal.Pcm]]:
        """What was kept up to now: (arrival, samples)."""
        return list(self._frames)

    async def aclose(self) -> None:
        await self._stream.aclose()
        await self._task

    async def _listen(self) -> None:
        async for event in self._stream:
            samples = np.frombuffer(event.frame.data, np.int16)
            self._frames.append((time.monotonic(), samples))


def _frame(samples: signal.Samples) -> rtc.AudioFrame:
    return rtc.AudioFrame(signal.pcm(samples).tobytes(), signal.RATE, 1, len(samples))
