"""A worker that is run by the program itself, as full as it has children."""

import asyncio
import os

import psutil
from livekit.agents import JobContext, Worker, WorkerOptions


async def entry(ctx: JobContext):
    await ctx.connect()
    print("in", ctx.room.name)


def load() -> float:
    return len(psutil.Process().children()) / 10


async def main(room: str):
    worker = Worker(
        WorkerOptions(entrypoint_fnc=entry, load_fnc=load, host="0.0.0.0")
    )
    running = asyncio.create_task(worker.run())
    await worker.simulate_job(room, "somebody")
    await running


if __name__ == "__main__":
    asyncio.run(main(os.environ["ROOM"]))
