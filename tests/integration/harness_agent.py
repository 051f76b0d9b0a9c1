"""An agent that misbehaves as FAULT says; run by the green interpreter (livekit-agents 1.1.3).

FAULT: none    echoes
       silent  publishes an audio track and never says anything
       mute    joins, and never publishes a track
       leaves  echoes, and leaves the room FAULT_SECONDS after it heard the caller
       slow    echoes everything FAULT_SECONDS later
AGENT_NAME: the name it registers under, if it is to be dispatched by name only.
"""

from __future__ import annotations

import asyncio
import os

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli

FAULT = os.environ["FAULT"]
SECONDS = float(os.environ.get("FAULT_SECONDS", "0"))


async def entrypoint(ctx: JobContext) -> None:
    source = rtc.AudioSource(48_000, 1, queue_size_ms=100 + int(SECONDS * 1000))
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    pumps = set()

    async def pump(caller: rtc.Track) -> None:
        if FAULT == "slow":
            late = rtc.AudioFrame.create(48_000, 1, int(48_000 * SECONDS))
            await source.capture_frame(late)
        until = asyncio.get_running_loop().time() + SECONDS
        async for event in rtc.AudioStream(caller, sample_rate=48_000, num_channels=1):
            if FAULT == "leaves" and asyncio.get_running_loop().time() > until:
                ctx.shutdown("as the test wants it")
                await ctx.room.disconnect()
                return
            if FAULT != "silent":
                await source.capture_frame(event.frame)

    @ctx.room.on("track_subscribed")
    def hear(caller: rtc.Track, *_: object) -> None:
        pumps.add(asyncio.create_task(pump(caller)))

    await ctx.connect()
    if FAULT != "mute":
        await ctx.room.local_participant.publish_track(track)


if __name__ == "__main__":
    options = WorkerOptions(
        entrypoint_fnc=entrypoint,
        agent_name=os.environ.get("AGENT_NAME", ""),
        num_idle_processes=2,
        # The default reports the machine's CPU: when others are busy the server passes us over.
        load_fnc=lambda _worker: 0.0,
    )
    cli.run_app(options)
