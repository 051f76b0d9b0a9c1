"""A real server, agents of both real SDKs, and the gateway as a process between them."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from integration import harness
from integration.gateway_process import COLOURS, Gateway, call, connected, with_agents

STORM_ROOMS, AT_ONCE = 30, 10
WATCH_SECONDS = 3.0
"""An agent too many comes within a second of the right one; this is how long we look."""


@pytest.fixture(scope="module")
def gateway(
    livekit_server: harness.LiveKit,
    blue_python: Path,
    green_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """With one worker of each colour behind it."""
    home = tmp_path_factory.mktemp("gateway")
    with with_agents(livekit_server, home) as gateway:
        yield gateway


@pytest.fixture(autouse=True)
async def back_to_blue(gateway: Gateway) -> None:
    """Every test begins with both workers there and blue 100."""
    await gateway.ready()
    await gateway.weights(green=0)


def room() -> str:
    return f"room-{secrets.token_hex(4)}"


async def test_both_sdks_register_at_their_door(gateway: Gateway) -> None:
    state = await gateway.ready()
    versions = {worker["colour"]: worker["version"] for worker in state["workers"]}
    assert versions == {"blue": "0.7.2", "green": "1.1.3"}
    assert connected(state)


async def test_new_rooms_follow_the_weights_and_calls_stay_where_they_are(
    gateway: Gateway, livekit_server: harness.LiveKit
) -> None:
    async with call(livekit_server, room()) as before:
        await before.answered()
        await gateway.weights(green=100)
        async with call(livekit_server, room()) as after:
            await after.answered()
            jobs = await gateway.jobs()
            assert jobs[before.name]["colour"] == "blue"
            assert jobs[after.name]["colour"] == "green"
            assert jobs[before.name]["state"] == jobs[after.name]["state"] == "running"
            assert (len(before.came), before.left) == (1, [])


async def test_a_dark_call_reaches_green_at_weight_zero(
    gateway: Gateway, livekit_server: harness.LiveKit
) -> None:
    async with call(livekit_server, room(), agent="releve-green") as dark:
        await dark.answered()
        assert (await gateway.jobs())[dark.name]["colour"] == "green"
        assert len(dark.agents) == len(dark.came) == 1


async def test_every_room_of_a_storm_of_flips_has_exactly_one_agent(
    gateway: Gateway, livekit_server: harness.LiveKit
) -> None:
    flips = 0

    async def flip() -> None:
        nonlocal flips
        while True:
            await gateway.weights(green=100 if flips % 2 == 0 else 0)
            flips += 1
            await asyncio.sleep(0.1)

    storm = asyncio.create_task(flip())
    colours = set()
    try:
        for _ in range(STORM_ROOMS // AT_ONCE):
            async with AsyncExitStack() as stack:
                calls = []
                for _ in range(AT_ONCE):
                    line = await stack.enter_async_context(call(livekit_server, room()))
                    calls.append(line)
                    await asyncio.sleep(0.25)
                await asyncio.gather(*(line.answered() for line in calls))
                await asyncio.sleep(WATCH_SECONDS)
                assert not storm.done()
                jobs = await gateway.jobs()
                assert {line.name: line.agents for line in calls if len(line.agents) != 1} == {}
                assert {line.name: line.left for line in calls if line.left} == {}
                colours |= {jobs[line.name]["colour"] for line in calls}
            # 0.7.2 reports no end of a job; the gateway knows it from the server all the same.
            await gateway.ended([line.name for line in calls])
    finally:
        storm.cancel()
    assert colours == set(COLOURS)
    assert flips > STORM_ROOMS


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
async def test_calls_outlive_the_gateway_and_workers_come_back_to_the_next(
    gateway: Gateway, livekit_server: harness.LiveKit, end: signal.Signals
) -> None:
    async with AsyncExitStack() as stack:
        calls = []
        for green in (0, 100):
            await gateway.weights(green=green)
            calls.append(await stack.enter_async_context(call(livekit_server, room())))
            await calls[-1].answered()
        colours = {job["colour"] for job in (await gateway.jobs()).values() if not job["ended"]}
        assert colours == set(COLOURS)
        agents = [line.agents for line in calls]

        code, seconds = await asyncio.to_thread(gateway.end, end)
        if end is signal.SIGTERM:
            assert code == 0
            assert seconds < 10, "beyond it Docker would kill it"
        await asyncio.to_thread(gateway.start)
        back = time.monotonic()
        await gateway.ready(workers=1, settle=False)
        async with call(livekit_server, room()) as next_:
            await next_.answered()
            took = time.monotonic() - back
            print(f"{end.name}: next room served {took:.2f} s after the gateway was back")
            assert len(next_.agents) == 1
        state = await gateway.ready()
        assert state["weights"] == {"blue": 0, "green": 100}
        assert sorted(worker["colour"] for worker in state["workers"]) == ["blue", "green"]

        async with call(livekit_server, room()) as later:
            await later.answered()
            assert (await gateway.jobs())[later.name]["colour"] == "green"
            assert len(later.agents) == 1
        assert [line.agents for line in calls] == agents
        assert [line.left for line in calls] == [[], []]
