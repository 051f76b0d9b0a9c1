"""Blue's echo agent, which writes down what its jitter buffer does. For stall.py.

STATISTICS in its environment names the file.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "agent_src" / "blue"))

import agent
import jitter
from livekit import rtc
from livekit.agents import WorkerOptions, cli

_echo = agent.echo


async def echo(track: rtc.RemoteTrack, source: rtc.AudioSource) -> None:
    with Path(os.environ["STATISTICS"]).open("a", encoding="utf-8") as out:  # noqa: ASYNC230
        watching = asyncio.create_task(jitter.watch(track, out))
        try:
            await _echo(track, source)
        finally:
            watching.cancel()


if __name__ == "__main__":
    agent.echo = echo
    cli.run_app(WorkerOptions(agent.request, load_fnc=agent.load, host="0.0.0.0"))  # noqa: S104
