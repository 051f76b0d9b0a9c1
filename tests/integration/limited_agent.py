"""An agent of either SDK that is allowed less than the default, no data and no metadata, and comes
for each who speaks instead of each room."""

from __future__ import annotations

from livekit import agents, rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli
from livekit.agents.worker import WorkerPermissions
from livekit.protocol.agent import JobType

LIMITED = WorkerPermissions(can_publish_data=False, can_update_metadata=False)
OLD = agents.__version__.startswith("0.")
if not OLD:
    from livekit.agents import WorkerType


async def entry(ctx: JobContext) -> None:
    if not OLD:
        await ctx.connect()
    source = rtc.AudioSource(48_000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("silence", source)
    await ctx.room.local_participant.publish_track(track, rtc.TrackPublishOptions())


async def request(req: JobRequest) -> None:
    await (req.accept(entry) if OLD else req.accept())


if __name__ == "__main__":
    if OLD:
        options = WorkerOptions(
            request,
            permissions=LIMITED,
            load_fnc=lambda: 0.0,
            worker_type=JobType.JT_PUBLISHER,
        )
    else:
        options = WorkerOptions(
            entry,
            request,
            permissions=LIMITED,
            load_fnc=lambda _worker: 0.0,
            worker_type=WorkerType.PUBLISHER,
        )
    cli.run_app(options)
