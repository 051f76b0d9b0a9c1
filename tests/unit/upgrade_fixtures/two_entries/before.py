"""Which entry a job gets depends on the room."""

from livekit.agents import AutoDisconnect, JobContext, JobRequest, WorkerOptions, cli


async def coach(ctx: JobContext):
    print("coach", len(ctx.room.participants))


async def jury(ctx: JobContext):
    print("jury", len(ctx.room.participants))


async def request(req: JobRequest):
    if "jury" in req.room.metadata:
        await req.accept(jury, auto_disconnect=AutoDisconnect.NONE)
    else:
        await req.accept(coach)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request))
