"""Cordon and drain: nothing new, and "drained" is said when the server agrees, not before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from releve.gateway import events
from releve.gateway.config import GatewayConfig
from releve.gateway.operator import sse
from releve.gateway.upkeep import drain
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, participant, registered, until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)


@asynccontextmanager
async def listening(gateway: Running) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """Events as they come; the first is the state."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    connector = aiohttp.UnixConnector(str(gateway.config.admin_socket))

    async def read(answer: aiohttp.ClientResponse) -> None:
        async for line in answer.content:
            if line.startswith(b"data: "):
                heard.put_nowait(json.loads(line.removeprefix(b"data: ")))

    async with (
        aiohttp.ClientSession("http://gateway", connector=connector) as session,
        session.get("/events") as answer,
    ):
        assert answer.content_type == "text/event-stream"
        reading = asyncio.create_task(read(answer))
        yield heard
        reading.cancel()


async def until_event(heard: asyncio.Queue[dict[str, Any]], kind: str) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while True:
            event = await heard.get()
            if event.get("event") == kind:
                return event


async def cordon(gateway: Running, what: str, wanted: bool = True) -> tuple[int, Any]:
    kind, name = what.split("/")
    if kind == "colours":
        return await gateway.cordon(name, wanted)
    return await gateway.admin("PUT", f"/{what}/cordon", {"cordoned": wanted})


async def test_a_cordoned_colour_gets_nothing_under_any_name_and_the_other_may_stand_in(
    gateway: Running, server: StandInServer
) -> None:
    async with (
        registered(gateway.workers, gateway.blue) as blue,
        registered(gateway.workers, gateway.green) as green,
    ):
        await gateway.weights(100)
        assert (await cordon(gateway, "colours/green"))[1]["changed"] is True
        assert await server.dispatch("room")
        assert not await server.dispatch("dark", "releve-green")
        await until(lambda: blue.rooms == ["room"])
        assert green.offered == []


async def test_a_cordoned_worker_gets_nothing_until_it_is_released(
    gateway: Running, server: StandInServer
) -> None:
    async with (
        registered(gateway.workers, gateway.blue) as one,
        registered(gateway.workers, gateway.blue) as other,
    ):
        assert (await cordon(gateway, f"workers/{one.id}"))[1] == {
            "agent": "default",
            "worker": one.id,
            "cordoned": True,
            "changed": True,
        }
        assert [await server.dispatch(f"r{n}") for n in range(4)] == [True] * 4
        await until(lambda: len(other.rooms) == 4)
        await cordon(gateway, f"workers/{one.id}", False)
        await cordon(gateway, f"workers/{other.id}")
        assert await server.dispatch("back")
        await until(lambda: one.rooms == ["back"])


async def test_a_cordoned_address_stays_so_over_a_restart(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with running(config, server) as gateway:
        assert (await cordon(gateway, "workers/127.0.0.1"))[1]["peer"] == "127.0.0.1"
    await until(lambda: all(item.closed for item in server.connections.values()))
    server.connections.clear()
    async with (
        running(config, server) as gateway,
        registered(gateway.workers, gateway.blue),
    ):
        state = await gateway.state()
        assert state["cordoned_peers"] == ["127.0.0.1"]
        assert [item["cordoned"] for item in state["workers"]] == [True]
        assert not await server.dispatch("room")


async def test_who_is_not_there_cannot_be_cordoned(gateway: Running) -> None:
    status, answer = await cordon(gateway, "workers/RW_blue_0")
    assert status == 404
    assert answer["error"] == (
        "no worker 'RW_blue_0' is connected; give an id of GET /state or an address"
    )


async def test_drained_is_told_when_the_last_call_is_over_and_not_before(
    gateway: Running, server: StandInServer
) -> None:
    """0.7.2 reports no end: the job stays on our list until the server says so."""
    async with registered(gateway.workers, gateway.blue) as worker, listening(gateway) as heard:
        assert "weights" in await heard.get()
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        await cordon(gateway, "colours/blue")
        await until_event(heard, "decision")
        await asyncio.sleep(0.1)
        assert (await gateway.state())["drained"] == []
        await server.terminate(worker.assigned[0].job.id)
        assert (await until_event(heard, "drained"))["name"] == "blue"
        assert (await gateway.state())["drained"] == ["blue"]
        await cordon(gateway, "colours/blue", False)
        await until_event(heard, "decision")
        assert await server.dispatch("again")


@pytest.mark.parametrize(
    "agent", [participant("agent-1", **{"releve.colour": "blue"}), participant("agent-2")]
)
async def test_a_call_the_gateway_does_not_remember_is_waited_for(
    gateway: Running, server: StandInServer, agent: Any
) -> None:
    """From before a restart of the gateway (it wears blue), or from before the gateway."""
    server.people = {"old": [agent], "other": [participant("g", **{"releve.colour": "green"})]}
    async with listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        await asyncio.sleep(0.1)
        assert (await gateway.state())["drained"] == []
        server.people["old"] = []
        assert (await until_event(heard, "drained"))["name"] == "blue"


async def test_an_agent_on_its_way_to_a_room_is_waited_for_though_its_worker_is_cut_off(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody but us knows of it yet: it is in no room, and its job is in a process of its own."""
    await asyncio.sleep(0.5)  # as long as the gateway must have been there for what is set next
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.5)
    async with listening(gateway) as heard:
        async with registered(gateway.workers, gateway.blue) as worker:
            assert await server.dispatch("room")
            await until(lambda: worker.rooms == ["room"])
        await cordon(gateway, "colours/blue")
        (job,) = (await gateway.admin("GET", "/jobs"))[1]
        told = await until_event(heard, "drained")
        assert told["monotonic"] - job["started"] >= 0.5


async def test_a_gateway_that_has_just_come_calls_nothing_drained(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it may have sent an agent that has not arrived."""
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 60.0)
    await cordon(gateway, "colours/blue")
    await asyncio.sleep(0.1)
    assert (await gateway.state())["drained"] == []


async def test_nothing_is_drained_while_the_server_does_not_say_who_is_there(
    gateway: Running, server: StandInServer
) -> None:
    await server.stop()
    await cordon(gateway, "colours/blue")
    await asyncio.sleep(0.1)
    assert (await gateway.state())["drained"] == []
    assert (await gateway.admin("GET", "/calls"))[0] == 502
    await server.start()
    async with listening(gateway) as heard:
        if (await heard.get())["drained"] != ["blue"]:
            await until_event(heard, "drained")


async def test_a_worker_is_drained_when_no_room_holds_its_agent(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker, listening(gateway) as heard:
        server.people = {"room": [participant("a", **{"releve.worker": worker.id})]}
        await cordon(gateway, f"workers/{worker.id}")
        await asyncio.sleep(0.1)
        assert (await gateway.state())["drained"] == []
        server.people.clear()
        assert (await until_event(heard, "drained"))["name"] == worker.id


async def test_calls_are_the_servers_word(gateway: Running, server: StandInServer) -> None:
    worn = {"releve.agent": "x", "releve.colour": "green", "releve.worker": "w"}
    server.people = {"r": [participant("a", **worn)]}
    assert (await gateway.admin("GET", "/calls"))[1] == [
        {"room": "r", "identity": "a", "agent": "x", "colour": "green", "worker": "w"}
    ]


async def test_every_agent_wears_its_colour_and_keeps_its_own_attributes(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.green) as worker:
        assert await server.dispatch("room", "releve-green")
        (said,) = server.accepted
        assert dict(said.participant_attributes) == {
            "releve.agent": "default",
            "releve.colour": "green",
            "releve.worker": worker.id,
            "own": "kept",
        }


async def test_too_many_listeners_are_turned_away(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LISTENERS", 1)
    async with listening(gateway):
        assert (await gateway.admin("GET", "/events"))[0] == 503


async def test_a_listener_that_falls_behind_is_cut_off_and_costs_nobody_else() -> None:
    bus = events.Events()
    with bus.listen() as slow:
        for number in range(events.BEHIND + 10):
            bus.publish("offer", n=number)
        assert slow.queue.qsize() == events.BEHIND + 1
        got = [await slow.get() for _ in range(events.BEHIND + 1)]
    assert got[-1] is None
    assert (len(bus.last), bus.listeners) == (events.REMEMBERED, 0)


async def test_who_listens_after_the_end_is_let_go_at_once() -> None:
    bus = events.Events()
    bus.close()
    with bus.listen() as late:
        assert await asyncio.wait_for(late.get(), 5) is None
