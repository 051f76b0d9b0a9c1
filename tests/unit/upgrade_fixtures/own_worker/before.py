"""A worker that is run by the program itself, as full as it has children."""

import asyncio
import os

import psutil
from livekit.agents import JobContext, JobRequest, Worker, WorkerOptions


async def entry(ctx: JobContext):
    print("in", ctx.room.name)


async def request(req: JobRequest):
    await req.accept(entry)


def load() -> float:
    return len(psutil.Process().children()) / 10


async def main(room: str):
    worker = Worker(
        WorkerOptions(request_fnc=request, load_fnc=load, namespace="default", host="0.0.0.0")
    )
    running = asyncio.create_task(worker.run())
    await worker.simulate_job(room, "somebody")
    await running


if __name__ == "__main__":
    asyncio.run(main(os.environ["ROOM"]))
