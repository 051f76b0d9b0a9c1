"""A microphone that sends next to nothing between sentences, as an app's does (DTX)."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from livekit import rtc

from releve.probe.media import signal

FRAME_MS = 100
QUEUE_MS = 200


class Speaker:
    """Publish its track with DTX: between sentences the SDK sends silence, and we do nothing."""

    def __init__(self) -> None:
        self._source = rtc.AudioSource(signal.RATE, 1, queue_size_ms=QUEUE_MS)
        self.track = rtc.LocalAudioTrack.create_audio_track("probe", self._source)

    async def say(self, sound: signal.Samples) -> float:
        """Send a sound (48 kHz, 1.0 is loudest). Returns when its first sample was sent."""
        size = signal.RATE * FRAME_MS // 1000
        padded = np.pad(sound, (0, -len(sound) % size))
        began = time.monotonic() + self._source.queued_duration
        for part in np.split(padded, len(padded) // size):
            samples = signal.pcm(part)
            await self._source.capture_frame(
                rtc.AudioFrame(samples.tobytes(), signal.RATE, 1, len(samples))
            )
        return began

    async def run(self) -> None:
        """Nothing is due between sentences. Runs until it is cancelled."""
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        await self._source.aclose()
