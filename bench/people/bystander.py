"""Somebody else's call: a plain LiveKit SDK program, with nothing of ours in it.

`python bench/people/bystander.py URL KEYS_FILE ROOM OUT` calls ROOM until SIGTERM. OUT gets JSON
lines on
time.monotonic(): {"t", "rtt_ms"} of each burst that came back, when it was said; {"t",
"silence_ms"} of each gap in the returned tone, when it ended; {"t", "buffer_ms", "target_ms"} of
the SDK's jitter buffer, each second; {"t", "event"}.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import TextIO

import jitter
import numpy as np
from livekit import api, rtc

RATE, FRAME = 48_000, 960  # 20 ms
TONE, TONE_PEAK = 300, 0.0447  # Hz; -30 dBFS
BURSTS, BURST_PEAK = [1000, 1400, 1800, 2200, 2600, 3000, 3400], 0.25  # by turns: every 3.5 s each
MIC = RATE // 10  # frames that we say wait 100 ms ahead: what is said does not stutter with us
BLOCK = 120  # 2.5 ms: whole periods of every burst
LEAST_SILENCE = 0.1
SETTLE = 25  # frames: see Ear

_TIME = np.arange(MIC) / RATE
_WAVES = {hertz: np.exp(2j * np.pi * hertz * _TIME[:FRAME]) for hertz in [TONE, *BURSTS]}
_PROBES = np.array([part for w in _WAVES.values() for part in (w.real, w.imag)], np.float32)


def tell(out: TextIO, **fields: object) -> None:
    out.write(json.dumps({"t": round(time.monotonic(), 4)} | fields) + "\n")
    out.flush()


class Ear:
    """What comes back. `said`: when each burst was said last; `heard`: till when the tone was.

    A frame is judged SETTLE frames late. Its time is that at which it could be played: it arrives
    late when this process is, never early, so the least late of the next half second tells.
    """

    def __init__(self, out: TextIO) -> None:
        self.said: dict[int, float] = {}
        self.heard: float | None = None
        self._out = out

    async def listen(self, track: rtc.RemoteAudioTrack) -> None:
        late: deque[float] = deque(maxlen=SETTLE + 1)
        frames: deque[np.ndarray] = deque(maxlen=SETTLE + 2)  # and the one before
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1, frame_size_ms=20)
        number = -1
        async for event in stream:
            number += 1
            late.append(time.monotonic() - number * FRAME / RATE)
            frames.append(np.frombuffer(event.frame.data, np.int16).astype(np.float32) / 32768)
            if len(frames) > SETTLE + 1:
                begins = min(late) + (number - SETTLE) * FRAME / RATE
                self._judge(begins, frames[0], frames[1])

    def _judge(self, begins: float, before: np.ndarray, frame: np.ndarray) -> None:
        # Not `@`: for so small a product the BLAS library's threads cost more than it.
        parts = np.einsum("ij,j->i", _PROBES, frame).reshape(-1, 2)
        tone, *bursts = np.hypot(parts[:, 0], parts[:, 1]) * 2 / FRAME
        if tone > TONE_PEAK / 4:
            self.silent_until(begins)
            self.heard = begins + FRAME / RATE
        loudest = int(np.argmax(bursts))
        if bursts[loudest] > BURST_PEAK / 2 and (at := self.said.pop(BURSTS[loudest], None)):
            wave = np.tile(_WAVES[BURSTS[loudest]][:BLOCK], 2 * FRAME // BLOCK)
            blocks = (np.concatenate([before, frame]) * wave).reshape(-1, BLOCK).sum(axis=1)
            onset = int(np.argmax(np.abs(blocks) * 2 / BLOCK > BURST_PEAK / 2)) * BLOCK - FRAME
            tell(self._out, rtt_ms=round((begins + onset / RATE - at) * 1000, 1), said=round(at, 4))

    def silent_until(self, now: float) -> None:
        if self.heard is not None and now - self.heard > LEAST_SILENCE:
            tell(self._out, silence_ms=round((now - self.heard) * 1000, 1), ended=round(now, 4))


async def talk(source: rtc.AudioSource, said: dict[int, float]) -> None:
    """The tone, and in every fifth frame a burst of 40 ms."""
    tone = TONE_PEAK * np.sin(2 * np.pi * TONE * _TIME)
    ends = time.monotonic()
    for number in itertools.count():
        sound, begins = tone, max(ends, time.monotonic())  # an empty queue says it at once
        if number % 5 == 0:
            hertz = BURSTS[number // 5 % len(BURSTS)]
            sound = tone.copy()
            sound[: 2 * FRAME] += BURST_PEAK * np.sin(2 * np.pi * hertz * _TIME[: 2 * FRAME])
            said[hertz] = begins
        samples = (sound * 32767).astype(np.int16)
        await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, MIC))
        ends = begins + MIC / RATE
        await asyncio.sleep(ends - MIC / RATE - time.monotonic())


async def call(url: str, key: str, secret: str, name: str, out: TextIO) -> None:
    over = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    grants = api.VideoGrants(room_join=True, room=name)
    token = api.AccessToken(key, secret).with_identity(f"of-{name}").with_grants(grants)
    room, ear, tasks = rtc.Room(), Ear(out), set()

    def event(name: str) -> None:
        if not over.is_set():
            tell(out, event=name)

    def subscribed(track: rtc.Track, *_: object) -> None:
        if isinstance(track, rtc.RemoteAudioTrack):
            event("agent")
            tasks.add(asyncio.create_task(ear.listen(track)))
            tasks.add(asyncio.create_task(jitter.watch(track, out)))

    room.on("track_subscribed", subscribed)
    room.on("participant_disconnected", lambda _: event("agent_left"))
    room.on("reconnecting", lambda: event("reconnecting"))
    room.on("disconnected", lambda _: event("lost"))
    await room.connect(url, token.to_jwt())
    source = rtc.AudioSource(RATE, 1, queue_size_ms=300)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
    await room.local_participant.publish_track(track, options)
    tasks.add(asyncio.create_task(talk(source, ear.said)))
    await over.wait()
    ear.silent_until(time.monotonic() - SETTLE * FRAME / RATE)
    for task in tasks:
        task.cancel()
    await room.disconnect()


if __name__ == "__main__":
    api_key, _, api_secret = Path(sys.argv[2]).read_text("utf-8").strip().partition(": ")
    with Path(sys.argv[4]).open("w", encoding="utf-8") as lines:
        asyncio.run(call(sys.argv[1], api_key, api_secret, sys.argv[3], lines))
