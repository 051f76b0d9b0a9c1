"""A light voice detector for livekit-agents 0.7.2: loudness against the noise, no model."""

from __future__ import annotations

import asyncio
import audioop
from collections import deque

from livekit import rtc
from livekit.agents import vad

LEAST_RMS = 200  # of 32768: what is softer is no voice
OVER_NOISE = 4.0  # a voice is so many times as loud as the noise
LEAST_NOISE = LEAST_RMS / OVER_NOISE
NOISE_RISES = 1.002  # by every frame: a noise that begins is no voice for long


class EnergyVAD(vad.VAD):
    """One stream for each track; durations in seconds."""

    def stream(
        self,
        *,
        min_speaking_duration: float = 0.1,
        min_silence_duration: float = 0.5,
        padding_duration: float = 0.3,
        sample_rate: int = 16000,
        max_buffered_speech: float = 30.0,
    ) -> EnergyStream:
        return EnergyStream(
            min_speaking_duration, min_silence_duration, padding_duration, max_buffered_speech
        )


class EnergyStream(vad.VADStream):
    """Frames in, events out."""

    def __init__(self, speaking: float, silence: float, padding: float, longest: float) -> None:
        self._least_speaking, self._least_silence = speaking, silence
        self._padding, self._longest = padding, longest
        self._events: asyncio.Queue[vad.VADEvent | None] = asyncio.Queue()
        self._before: deque[rtc.AudioFrame] = deque()
        self._speech: list[rtc.AudioFrame] = []
        self._noise = LEAST_NOISE
        self._loud = self._quiet = self._spoken = 0.0
        self._speaking = False
        self._samples = 0

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        seconds = frame.samples_per_channel / frame.sample_rate
        rms = audioop.rms(bytes(frame.data), 2)
        self._noise = min(self._noise * NOISE_RISES, max(float(rms), LEAST_NOISE))
        voice = rms > max(LEAST_RMS, OVER_NOISE * self._noise)
        self._loud = self._loud + seconds if voice else 0.0
        self._quiet = 0.0 if voice else self._quiet + seconds
        self._samples += frame.samples_per_channel
        self._tell(vad.VADEventType.INFERENCE_DONE, probability=float(voice))
        if self._speaking:
            self._speech.append(frame)
            self._spoken += seconds
            if self._quiet >= self._least_silence or self._spoken >= self._longest:
                self._speaking = False
                self._tell(
                    vad.VADEventType.END_OF_SPEECH, frames=self._speech, duration=self._spoken
                )
                self._speech = []
            return
        self._before.append(frame)
        while len(self._before) * seconds > self._padding + self._least_speaking:
            self._before.popleft()
        if self._loud >= self._least_speaking:
            self._speaking = True
            self._speech, self._spoken = list(self._before), self._loud
            self._before.clear()
            self._tell(vad.VADEventType.START_OF_SPEECH)

    async def aclose(self, *, wait: bool = True) -> None:
        self._events.put_nowait(None)

    async def __anext__(self) -> vad.VADEvent:
        event = await self._events.get()
        if event is None:
            raise StopAsyncIteration
        return event

    def _tell(
        self,
        kind: vad.VADEventType,
        *,
        frames: list[rtc.AudioFrame] | None = None,
        duration: float = 0.0,
        probability: float = 0.0,
    ) -> None:
        event = vad.VADEvent(
            kind,
            self._samples,
            duration,
            frames or [],
            probability,
            probability,
            0.0,
            self._speaking,
        )
        self._events.put_nowait(event)
