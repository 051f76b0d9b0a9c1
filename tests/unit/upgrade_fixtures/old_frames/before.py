"""Frames as older SDKs gave them, and frames that resample themselves."""

import asyncio

from livekit import rtc
from livekit.agents import JobContext


async def level(ctx: JobContext, track: rtc.RemoteAudioTrack) -> None:
    source = rtc.AudioSource(num_channels=1, sample_rate=24000)
    stream = rtc.AudioStream(track)
    loudest = 0
    async for frame in stream:
        loudest = max(loudest, max(frame.data, default=0))
        await source.capture_frame(frame)
    print("loudest", loudest)


async def narrow(track: rtc.RemoteAudioTrack, queue: asyncio.Queue) -> None:
    async for event in rtc.AudioStream(track, capacity=10):
        queue.put_nowait(event.frame.remix_and_resample(16000, 1))


async def pictures(track: rtc.RemoteVideoTrack, sink: rtc.VideoSource) -> None:
    async for picture in rtc.VideoStream(track):
        if picture.width > 640:
            continue
        sink.capture_frame(picture)
