"""From a breach to the flip back, and what a controller takes that only watches.

`make bench NAME=rollout` writes var/bench/rollout.json. Gateway and controller are the real ones:
the gateway in this process with stand-ins for LiveKit, the controller in a process of its own. A
breach is a line in the sentinels' record, written at any moment between two looks of the
controller; the flip is when the gateway has in force that every new room goes to the old release.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from figures import figure, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from integration.rollout_parts import Controller, Record, record_running
from unit.gateway_running import Running, running, settings
from unit.gateway_standin import StandInServer, registered

BREACHES = 20
WATCHED_SECONDS = 30.0
LONG = [{"weight": 25, "seconds": 6000}, {"weight": 100, "seconds": 6000}]


async def moved(home: Path, gateway: Running, record: Record, number: int) -> Controller:
    """A controller in the middle of its first step."""
    place = home / str(number)
    place.mkdir()
    controller = Controller(place, gateway.config.admin_socket, record, schedule=LONG)
    controller.plan["id"] = f"bench-{number}"
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    return controller


async def breach(home: Path, gateway: Running, number: int) -> float:
    """Milliseconds from the breach to the flip back."""
    with record_running(home / f"record-{number}.jsonl") as record:
        controller = await moved(home, gateway, record, number)
        try:
            await asyncio.sleep(1 + random.random())  # noqa: S311
            began = time.monotonic()
            record.write("dropped", call="held", why="the agent left")
            while (await gateway.admin("GET", "/decisions"))[1]["weights"]["green"]:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            return (time.monotonic() - began) * 1000
        finally:
            controller.stop()


async def watching(home: Path, gateway: Running) -> tuple[float, float]:
    """Share of a core, and megabytes, of a controller that watches a record."""
    with record_running(home / "record.jsonl") as record:
        controller = await moved(home, gateway, record, BREACHES)
        try:
            assert controller.process is not None
            pid = controller.process.pid
            before = _seconds(pid)
            await asyncio.sleep(WATCHED_SECONDS)
            share = (_seconds(pid) - before) / WATCHED_SECONDS
            return share, _megabytes(pid)
        finally:
            controller.stop()


def _seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    rss = next(line for line in status if line.startswith("VmRSS:"))
    return int(rss.split()[1]) / 1024


async def main() -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = StandInServer()
        await server.start()
        stack.push_async_callback(server.stop)
        gateway = await stack.enter_async_context(running(settings(home, server), server))
        for colour, port in gateway.config.ports.items():
            await stack.enter_async_context(registered(gateway.workers, port, colour))
        took = [await breach(home, gateway, number) for number in range(BREACHES)]
        share, megabytes = await watching(home, gateway)
    return {
        "breach_to_flip_median": figure(statistics.median(took), "ms"),
        "breach_to_flip_longest": figure(max(took), f"ms, of {BREACHES}", at_most=2000),
        "watching": figure(share * 100, "% of a core"),
        "watching_memory": figure(megabytes, "MB"),
    }


if __name__ == "__main__":
    write("rollout", "the real gateway, stand-ins for LiveKit", asyncio.run(main()))
