"""A worker of 0.4 to 0.6."""

from livekit import agents


async def talk(ctx: agents.JobContext):
    ctx.create_task(ctx.room.local_participant.set_name("voice"))


async def wanted(request: agents.JobRequest):
    await request.accept(talk, identity="voice", name="Voice")


if __name__ == "__main__":
    worker = agents.Worker(request_handler=wanted)
    agents.run_app(worker)
