"""The gateway killed and replaced under calls: real server, livekit-agents 0.7.2 and newest 1.x.

`make bench NAME=lifetime` writes var/bench/lifetime.json. The newest SDK is whatever the package
registry has today; it is installed into a venv under var/cache. Blue is 0.7.2, green the newest.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from figures import figure, write

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402
from integration.gateway_process import Call, Gateway, call  # noqa: E402

NEWEST_ROOMS = 4
KILLS = 5
HANDOVERS = 4
ROOM_EVERY, ROOM_LIVES, SETTLED = 0.7, 5.0, 2.0
"""Seconds; more calls at once than two cores can carry would measure the agents."""


def newest() -> tuple[Path, str]:
    """Interpreter and version of the newest livekit-agents 1.x, installed now."""
    venv = harness.CACHE / "venv-newest"
    python = venv / "bin" / "python"
    with harness.locked(venv.name):
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--upgrade", "livekit-agents>=1,<2", "numpy"], check=True)
    asked = "import importlib.metadata as m; print(m.version('livekit-agents'))"
    said = subprocess.run([python, "-c", asked], check=True, capture_output=True, text=True)
    return python, said.stdout.strip()


def room() -> str:
    return f"room-{secrets.token_hex(4)}"


class Bench:
    """One server, one gateway after the other, two agents that outlive them."""

    def __init__(self, server: harness.LiveKit, gateway: Gateway) -> None:
        self.server = server
        self.gateway = gateway
        self.figures: dict[str, Any] = {}

    def note(self, name: str, value: float, unit: str, limit: float | None = None) -> None:
        self.figures[name] = figure(value, unit, limit)
        print(name, self.figures[name]["value"], unit, flush=True)

    async def newest_serves(self) -> None:
        """Rooms of the newest SDK, one after the other."""
        await self.gateway.weights(green=100)
        wrong = 0
        for _ in range(NEWEST_ROOMS):
            async with call(self.server, room()) as line:
                await line.answered()
                job = (await self.gateway.jobs())[line.name]
                wrong += len(line.agents) != 1 or job["colour"] != "green"
        self.note("newest_sdk_rooms", NEWEST_ROOMS, "rooms")
        self.note("newest_sdk_rooms_not_served_by_it_alone", wrong, "rooms", 0)

    async def killed(self) -> None:
        """kill -9 with a call on each colour; the next room, from the moment it is back."""
        served, dropped = [], 0
        for number in range(KILLS):
            async with AsyncExitStack() as stack:
                calls = []
                for green in (0, 100):
                    await self.gateway.weights(green=green)
                    calls.append(await stack.enter_async_context(call(self.server, room())))
                    await calls[-1].answered()
                await self.gateway.weights(green=100 * (number % 2))
                before = [line.agents for line in calls]
                await asyncio.to_thread(self.gateway.end, signal.SIGKILL)
                await asyncio.to_thread(self.gateway.start)
                back = time.monotonic()
                await self.gateway.ready(workers=1, settle=False)
                async with call(self.server, room()) as next_:
                    await next_.answered()
                    served.append(time.monotonic() - back)
                await self.gateway.ready()
                dropped += sum(
                    line.agents != was or bool(line.left)
                    for line, was in zip(calls, before, strict=True)
                )
        self.note("kill_9", KILLS, "times")
        self.note("kill_9_next_room_served_median", statistics.median(served), "s")
        self.note("kill_9_next_room_served_longest", max(served), "s", 3.0)
        self.note("kill_9_calls_dropped", dropped, "calls", 0)

    async def replaced(self) -> None:
        """Rooms open all the while, and the gateway is replaced under them."""
        await self.gateway.weights(green=50)
        over = asyncio.Event()
        rooms: list[tuple[int, int, float]] = []

        async def one() -> None:
            async with call(self.server, room()) as line:
                began = time.monotonic()
                agents, left = await self._held(line)
                rooms.append((agents, left, time.monotonic() - began - ROOM_LIVES))

        async def caller() -> None:
            async with asyncio.TaskGroup() as calls:
                while not over.is_set():
                    calls.create_task(one())
                    await asyncio.sleep(ROOM_EVERY)

        calling = asyncio.create_task(caller())
        ended = []
        for _ in range(HANDOVERS):
            await asyncio.sleep(ROOM_EVERY * 2 + SETTLED)
            old = self.gateway.process
            assert old is not None
            await asyncio.to_thread(self.gateway.start, take_over=True)
            await self.gateway.ready(workers=0)
            began = time.monotonic()
            old.send(signal.SIGTERM)
            assert await asyncio.to_thread(old.wait, 10) == 0
            ended.append(time.monotonic() - began)
            await self.gateway.ready()
        over.set()
        await calling
        self.note("handovers", HANDOVERS, "times")
        self.note("handover_rooms_opened_meanwhile", len(rooms), "rooms")
        wrong = sum((agents, left) != (1, 0) for agents, left, _ in rooms)
        self.note("handover_rooms_without_exactly_one_agent", wrong, "rooms", 0)
        self.note("handover_longest_until_the_agent_is_heard", max(r[2] for r in rooms), "s")
        self.note("handover_end_after_sigterm_longest", max(ended), "s", 2.0)

    async def _held(self, line: Call) -> tuple[int, int]:
        """How many agents are there after the call's life, and how many have left."""
        try:
            await line.answered(15)
        except AssertionError:
            return 0, 0
        await asyncio.sleep(ROOM_LIVES)
        return len(line.came), len(line.left)


async def main() -> None:
    busy = os.getloadavg()[0]
    python, version = newest()
    print(f"livekit-agents {version}", flush=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        harness.running_server(Path(folder)) as server,
    ):
        home = Path(folder)
        gateway = Gateway(server, home)
        gateway.start()
        agents = []
        try:
            script = ROOT / "tests" / "integration" / "harness_agent.py"
            for colour, interpreter in (("blue", None), ("green", python)):
                agents.append(
                    harness.start_agent(
                        colour,
                        gateway.url(colour),
                        server.keys,
                        home / f"agent-{colour}.out",
                        script if interpreter else None,
                        interpreter,
                        FAULT="none",
                    )
                )
            bench = Bench(server, gateway)
            versions = {w["colour"]: w["version"] for w in (await gateway.ready())["workers"]}
            await bench.newest_serves()
            await bench.killed()
            await bench.replaced()
        finally:
            for agent in agents:
                agent.stop()
            if gateway.process is not None:
                gateway.process.stop()
    bench.note("load_of_the_machine_before", busy, "processes")
    sdks = f"livekit-agents {versions['blue']} and {versions['green']}"
    write("lifetime", f"LiveKit Server {server.version}, {sdks}", bench.figures)


if __name__ == "__main__":
    asyncio.run(main())
