"""One agent for each who publishes."""

from livekit import agents
from livekit.agents import JobContext, JobRequest, WorkerOptions, WorkerType, cli
from livekit.agents.worker import WorkerPermissions


async def entrypoint(ctx: JobContext):
    await ctx.connect(auto_subscribe=agents.AutoSubscribe.AUDIO_ONLY)
    print("job", ctx.job.id, "in", ctx.room.name)
    if ctx.publisher is not None:
        print("for", ctx.publisher.identity)


async def on_request(request: JobRequest):
    if request.answered:
        return
    await request.accept()


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=entrypoint,
            request_fnc=on_request,
            worker_type=WorkerType.PUBLISHER,
            namespace="french",
            permissions=WorkerPermissions(can_publish=False, hidden=True),
            load_threshold=0.5,
        )
    )
