"""Echo agent: a request function that only accepts."""

import asyncio

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, WorkerOptions, cli

SAMPLE_RATE = 48000  # what Opus carries


async def entrypoint(ctx: JobContext):
    """Say back what the callers say."""
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=10)
    tasks = set()

    async def echo(track):
        async for event in rtc.AudioStream(track):
            await source.capture_frame(event.frame)  # as it came

    @ctx.room.on("track_subscribed")
    def on_track(track, publication, participant):
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            task = asyncio.create_task(echo(track))
            tasks.add(task)

    # those who were there before us
    for participant in ctx.room.remote_participants.values():
        for publication in participant.track_publications.values():
            if publication.track:
                on_track(publication.track, publication, participant)

    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await ctx.room.local_participant.publish_track(track, options)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
