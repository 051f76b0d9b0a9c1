"""Audio of a probe call: frames sent at a steady pace, frames received with arrival times."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import numpy as np
from livekit import rtc

from releve.probe.media import signal

FRAME_MS = 20
AHEAD_MS = 60  # as much lateness of this process is not heard


class OutgoingAudio:
    """The audio that a probe sends, frame by frame: the bed tone, if any, with chirps on top."""

    def __init__(self, bed_hertz: int | None, frame_ms: int = FRAME_MS) -> None:
        """`frame_ms`: a multiple of 20."""
        count = signal.RATE * frame_ms // 1000
        # Bed tones are multiples of 50 Hz: 20 ms hold whole periods, so one frame serves for all.
        self._bed = signal.bed(bed_hertz, 0, count) if bed_hertz else np.zeros(count, np.float32)
        self._bed_pcm = signal.pcm(self._bed)
        self._asked: deque[tuple[signal.Samples, asyncio.Future[float]]] = deque()
        self._pending: deque[signal.Pcm] = deque()

    def say(self, chirp: signal.Samples) -> asyncio.Future[float]:
        """Say a chirp, or other sound, over the bed at the next frame.

        Resolves to when that was (monotonic seconds).
        """
        said: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._asked.append((chirp, said))
        return said

    def frame(self, ahead: float = 0.0) -> signal.Pcm:
        """The frame to be sent now; it is said when what is `ahead` (seconds) has been."""
        if not self._pending and self._asked:
            chirp, said = self._asked.popleft()
            self._pending.extend(self._over_bed(chirp))
            if not said.done():
                said.set_result(time.monotonic() + ahead)
        return self._pending.popleft() if self._pending else self._bed_pcm

    def _over_bed(self, chirp: signal.Samples) -> list[signal.Pcm]:
        count = -(-len(chirp) // len(self._bed))
        mixed = np.tile(self._bed, count)
        mixed[: len(chirp)] += chirp
        return [signal.pcm(part) for part in np.split(mixed, count)]


class Microphone:
    """A 48 kHz mono microphone of the SDK's own kind.

    Its frames wait in the SDK's queue, AHEAD_MS or one frame before they are said, and are sent
    from there by the SDK's clock: what is sent does not stutter when this process is
    late. Longer frames cost less CPU, and delay a chirp by as much.
    """

    def __init__(self, bed_hertz: int | None, frame_ms: int = FRAME_MS) -> None:
        self._seconds = frame_ms / 1000
        self._ahead = max(AHEAD_MS, frame_ms) / 1000
        queue_ms = max(AHEAD_MS, frame_ms) + frame_ms
        self._source = rtc.AudioSource(signal.RATE, 1, queue_size_ms=queue_ms)
        self.track = rtc.LocalAudioTrack.create_audio_track("probe", self._source)
        self._voice = OutgoingAudio(bed_hertz, frame_ms)
        self.say = self._voice.say

    async def run(self) -> None:
        """Send until cancelled. Late frames are caught up by at most the length of the queue."""
        due = time.monotonic() - self._ahead
        while True:
            samples = self._voice.frame(self._source.queued_duration)
            frame = rtc.AudioFrame(samples.tobytes(), signal.RATE, 1, len(samples))
            await self._source.capture_frame(frame)
            now = time.monotonic()
            due = max(due + self._seconds, now - self._ahead)
            await asyncio.sleep(due - now)

    async def aclose(self) -> None:
        await self._source.aclose()


class AudioSink:
    """Keeps the frames of one remote audio track, each with its arrival time."""

    def __init__(self, track: rtc.RemoteAudioTrack, frame_ms: int, keep_seconds: float) -> None:
        """Keeps the last `keep_seconds` of audio, in frames of `frame_ms`."""
        self.track = track
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
