"""The rollout's controller and the real gateway, over the gateway's real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from integration.rollout_parts import Controller, Record, record_running
from unit.gateway_running import Running
from unit.gateway_standin import StandInWorker, registered

LONG = [{"weight": 25, "seconds": 600}, {"weight": 100, "seconds": 600}]
BACK = {"blue": 100, "green": 0}


class Workers:
    """One of each colour, which may leave."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway
        self._here: dict[str, AsyncExitStack] = {}

    async def come(self, colour: str) -> StandInWorker:
        stack = self._here[colour] = AsyncExitStack()
        port = self._gateway.config.ports[colour]  # type: ignore[index]
        return await stack.enter_async_context(registered(self._gateway.workers, port, colour))

    async def leave(self, colour: str) -> None:
        await self._here.pop(colour).aclose()

    async def close(self) -> None:
        for colour in list(self._here):
            await self.leave(colour)


@pytest.fixture
async def workers(gateway: Running) -> AsyncIterator[Workers]:
    workers = Workers(gateway)
    for colour in ("blue", "green"):
        await workers.come(colour)
    yield workers
    await workers.close()


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    with record_running(tmp_path / "sentinels.jsonl") as record:
        yield record


@pytest.fixture
def controller(
    tmp_path: Path, gateway: Running, workers: Workers, record: Record
) -> Iterator[Controller]:
    controller = Controller(tmp_path, gateway.config.admin_socket, record)
    yield controller
    controller.stop()


async def decision(gateway: Running) -> dict[str, Any]:
    status, found = await gateway.admin("GET", "/decisions")
    assert status == 200
    return dict(found)


async def test_killed_after_every_entry_it_ends_with_all_on_the_new_release(
    controller: Controller, gateway: Running
) -> None:
    while "ended" not in controller.events:
        known = len(controller.events)
        controller.start()
        await controller.until(lambda: len(controller.events) > known)  # noqa: B023
        controller.kill()
    now = await decision(gateway)
    assert (now["weights"], now["epoch"]) == ({"blue": 0, "green": 100}, 1)
    assert (now["by"], now["lease_seconds"]) == ("rollout test-1", None)
    assert controller.journal[-1]["verdict"] == "passed"


async def test_a_breach_gives_every_new_room_back(
    controller: Controller, gateway: Running, record: Record
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    leased = await decision(gateway)
    assert (leased["weights"]["green"], leased["lease_seconds"]) == (25, 60.0)
    record.write("dropped", call="held", why="the agent left")
    ended = await controller.ended()
    now = await decision(gateway)
    assert (ended["verdict"], now["weights"], now["lease_seconds"]) == ("rolled_back", BACK, None)
    assert now["why"].startswith("goes back: gate calls: dropped is 1")


async def test_an_operator_who_decides_supersedes_the_rollout(
    controller: Controller, gateway: Running
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    body = {"by": "operator me", "epoch": "next", "weights": {"blue": 60, "green": 40}}
    assert (await gateway.admin("PUT", "/decisions", body))[0] == 200
    ended = await controller.ended()
    assert ended["verdict"] == "superseded"
    assert ended["reason"].startswith("operator me decided at ")
    assert (await decision(gateway))["weights"] == {"blue": 60, "green": 40}


async def test_without_a_controller_the_gateway_goes_back_and_the_next_one_says_so(
    controller: Controller, gateway: Running
) -> None:
    controller.plan |= {"schedule": LONG, "lease_seconds": 5}
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    controller.kill()
    async with asyncio.timeout(60):
        while (await decision(gateway))["by"] != "gateway":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await decision(gateway))["weights"] == BACK
    controller.start()
    ended = await controller.ended()
    assert (ended["verdict"], (await decision(gateway))["epoch"]) == ("rolled_back", 2)
    assert ended["reason"] == "the lease of epoch 1 (rollout test-1) ran out"


async def test_where_the_old_release_is_gone_the_new_one_stands_in(
    controller: Controller, gateway: Running, workers: Workers, record: Record
) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    await workers.leave("blue")
    record.write("dropped", call="held", why="the agent left")
    assert (await controller.ended())["verdict"] == "rolled_back"
    now = await decision(gateway)
    assert (now["weights"], sorted(now["fallback"])) == (BACK, ["blue", "green"])


async def test_a_new_release_that_is_gone_goes_back(
    controller: Controller, gateway: Running, workers: Workers
) -> None:
    controller.plan |= {"schedule": LONG, "limits": {"rollout": {"unserved_s_max": 1}}}
    controller.start()
    await controller.until(lambda: "moved" in controller.events)
    await workers.leave("green")
    ended = await controller.ended()
    assert "gate unserved: time without a worker of the new release is 1" in ended["reason"]
    assert (await decision(gateway))["weights"] == BACK


async def test_an_agent_that_the_gateway_does_not_know_is_a_sentence(
    controller: Controller, gateway: Running
) -> None:
    controller.plan["agent"] = "coach"
    controller.start()
    ended = await controller.ended()
    assert ended["reason"].startswith("nothing was moved: the gateway refuses the decision: ")
    assert "coach" in ended["reason"]


async def test_colours_that_the_gateway_does_not_know_are_a_sentence(
    controller: Controller, gateway: Running
) -> None:
    controller.plan["to"] = "purple"
    controller.start()
    said = "nothing was moved: the gateway has blue and green, the plan blue and purple"
    assert (await controller.ended())["reason"] == said
    assert (await decision(gateway))["epoch"] == 0


async def test_its_figures_are_read(controller: Controller, gateway: Running) -> None:
    controller.plan["schedule"] = LONG
    controller.start()
    status = await controller.answers()
    while "offers" not in status["gates"]:
        status = await controller.answers()
    assert {
        status["gates"][gate]["answer"] for gate in ("offers", "agent_audio", "early_ends")
    } == {"pass"}
