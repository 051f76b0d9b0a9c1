"""A source of later SDKs, whose queue was v1's already."""

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    source = rtc.AudioSource(24000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    await ctx.room.local_participant.publish_track(track)
    await source.wait_for_playout()
    source.clear_queue()


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
