"""One agent for each who publishes."""

from livekit import agents
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli
from livekit.agents.worker import WorkerPermissions
from livekit.protocol.agent import JobType


async def entrypoint(ctx: JobContext):
    print("job", ctx.id, "in", ctx.room.name)
    if ctx.publisher is not None:
        print("for", ctx.publisher.identity)


async def on_request(request: JobRequest):
    if request.answered:
        return
    await request.accept(entrypoint, auto_subscribe=agents.AutoSubscribe.AUDIO_ONLY)


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            request_fnc=on_request,
            worker_type=JobType.JT_PUBLISHER,
            namespace="french",
            permissions=WorkerPermissions(can_publish=False, hidden=True),
            load_threshold=0.5,
        )
    )
