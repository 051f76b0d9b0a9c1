"""The oldest pattern: the bot connects by itself, with a token of its own."""

import asyncio
import os

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli

URL = os.environ.get("LIVEKIT_URL", "ws://localhost:7880")


async def main(ctx: JobContext) -> None:
    room = ctx.room
    source = rtc.AudioSource(48000, 1, queue_size_ms=10)
    tasks = set()

    async def echo(track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track):
            await source.capture_frame(event.frame)

    @room.on("track_subscribed")
    def on_track_subscribed(track, publication, participant):
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            tasks.add(asyncio.create_task(echo(track)))

    await ctx.connect()
    print("connected to", room.name)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    await asyncio.Event().wait()  # until we are stopped


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=main))
