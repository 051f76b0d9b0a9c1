"""Which entry a job gets depends on the room."""

from livekit.agents import JobContext, JobRequest, WorkerOptions, cli


async def coach(ctx: JobContext):
    print("coach", len(ctx.room.remote_participants))


async def jury(ctx: JobContext):
    print("jury", len(ctx.room.remote_participants))


async def request(req: JobRequest):
    if "jury" in req.room.metadata:
        await req.accept(jury)
    else:
        await req.accept(coach)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request))
