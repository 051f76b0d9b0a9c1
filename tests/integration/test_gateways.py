"""Two gateways under one key, one agent behind each: either may be killed, and so may an agent.

Blue is 0.7.2, green the newest 1.x: with 1.1.3 (test_gateway.py) all that must work unchanged.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration import harness
from integration.gateway_process import COLOURS, Gateway, call, until

ROOMS = 6
WATCH_SECONDS = 2.0


@dataclass
class Pair:
    """Blue is behind the first gateway, green behind the second."""

    gateways: dict[str, Gateway]
    agents: dict[str, harness.Process]

    async def ready(self) -> None:
        for gateway in self.gateways.values():
            await gateway.ready(workers=1)
            await gateway.weights(green=50)  # so that each may stand in for the other


@pytest.fixture(scope="module")
def pair(
    livekit_server: harness.LiveKit,
    blue_python: Path,
    newest_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    pair = Pair({}, {})
    # Agents of our own are written for 1.1.3; this one's code is the same in all of 1.x.
    newest = {"script": harness.FAULTY, "python": newest_python}
    newest |= {"FAULT": "none"}
    try:
        for colour in COLOURS:
            home = tmp_path_factory.mktemp(f"gateway-{colour}")
            gateway = pair.gateways[colour] = Gateway(livekit_server, home)
            gateway.start()
            log = home / "agent.out"
            pair.agents[colour] = harness.start_agent(
                colour,
                gateway.url(colour),
                livekit_server.keys,
                log,
                **(newest if colour == "green" else {}),
            )
        yield pair
    finally:
        for agent in pair.agents.values():
            agent.stop()
        for gateway in pair.gateways.values():
            if gateway.process is not None:
                gateway.process.stop()


def room() -> str:
    return f"room-{secrets.token_hex(4)}"


async def test_the_newest_sdk_is_there_unchanged(pair: Pair) -> None:
    state = await pair.gateways["green"].ready(workers=1)
    (worker,) = state["workers"]
    locked = (Path(__file__).parent / "newest.lock").read_text()
    assert f"livekit-agents=={worker['version']} " in locked
    assert not worker["version"].startswith("1.1.")


async def test_rooms_of_two_gateways_have_one_agent_each(
    pair: Pair, livekit_server: harness.LiveKit
) -> None:
    await pair.ready()
    async with AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(call(livekit_server, room())) for _ in range(ROOMS)
        ]
        await asyncio.gather(*(line.answered() for line in calls))
        await asyncio.sleep(WATCH_SECONDS)
        assert [len(line.agents) for line in calls] == [1] * ROOMS


async def test_one_gateway_killed_costs_no_call_and_no_room(
    pair: Pair, livekit_server: harness.LiveKit
) -> None:
    await pair.ready()
    async with AsyncExitStack() as stack:
        before = [await stack.enter_async_context(call(livekit_server, room())) for _ in range(2)]
        await asyncio.gather(*(line.answered() for line in before))
        await asyncio.to_thread(pair.gateways["green"].end, signal.SIGKILL)
        for _ in range(2):
            line = await stack.enter_async_context(call(livekit_server, room()))
            await line.answered()
            assert len(line.agents) == 1
        assert [(len(line.agents), line.left) for line in before] == [(1, [])] * 2
    await asyncio.to_thread(pair.gateways["green"].start)


async def test_callers_of_an_agent_that_was_killed_get_another(
    pair: Pair, livekit_server: harness.LiveKit
) -> None:
    """SIGKILL to the worker and all its jobs; LiveKit Server alone would leave them in silence."""
    await pair.ready()
    gateway = pair.gateways["blue"]
    async with AsyncExitStack() as stack:
        calls = [
            await stack.enter_async_context(call(livekit_server, room())) for _ in range(ROOMS)
        ]
        await asyncio.gather(*(line.answered() for line in calls))
        held = [line for line in calls if line.name in await gateway.jobs()]
        if not held:
            pytest.skip("the server gave every room to the other gateway")
        dead = {line.name: line.agents for line in held}
        killed = time.monotonic()
        pair.agents["blue"].send(signal.SIGKILL)
        for line in held:
            await until(
                f"another agent's track in {line.name}",
                lambda line=line: line.heard and not set(line.agents) & set(dead[line.name]),
                60,
            )
        took = time.monotonic() - killed
        print(f"{len(held)} calls healed {took:.1f} s after SIGKILL of their agent")
        await asyncio.sleep(WATCH_SECONDS)
        assert [len(line.agents) for line in calls] == [1] * ROOMS
