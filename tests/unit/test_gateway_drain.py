"""Cordon and drain: nothing new, and "drained" is said when the server agrees, not before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from livekit.protocol import models
from typer.testing import CliRunner

from releve.gateway import cli, events, gateway_id
from releve.gateway.config import GatewayConfig
from releve.gateway.upkeep import drain
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, abort, participant, registered, until

EGRESS = models.ParticipantInfo(identity="EG_1", kind=models.ParticipantInfo.Kind.EGRESS)


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


async def test_every_agent_carries_its_colour_and_keeps_its_own_attributes(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.green) as worker:
        assert await server.dispatch("room", "releve-green")
        await until(lambda: worker.rooms == ["room"])
        (said,) = server.accepted
        assert dict(said.participant_attributes) == {
            "releve.agent": "default",
            "releve.colour": "green",
            "releve.worker": worker.id,
            "releve.job": worker.assigned[0].job.id,
            "releve.gateway": gateway_id.load(gateway.config.state_file),
            "own": "kept",
        }


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


async def test_a_call_taken_between_two_cordons_is_one_at_once(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drained is no memory of an earlier look: nobody has looked since the new call."""
    async with registered(gateway.workers, gateway.blue) as worker, listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        await until_event(heard, "drained")
        monkeypatch.setattr(drain, "CHECK_SECONDS", 60.0)
        await asyncio.sleep(0.1)  # the look that was due
        await cordon(gateway, "colours/blue", False)
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        await cordon(gateway, "colours/blue")
        assert (await gateway.state())["drained"] == []


async def test_what_was_drained_is_not_while_the_server_does_not_answer(
    gateway: Running, server: StandInServer
) -> None:
    async with listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        await until_event(heard, "drained")
    await server.stop()
    async with asyncio.timeout(5):
        while (await gateway.state())["drained"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_an_avatar_and_a_recorder_are_nobodys_calls(
    gateway: Running, server: StandInServer
) -> None:
    """An avatar's token is its agent's own, without the gateway's attributes."""
    green = participant("agent", **{"releve.colour": "green", "releve.agent": "default"})
    avatar = participant("avatar-agent", **{"lk.publish_on_behalf": "agent"})
    server.people = {"room": [green, avatar], "recorded": [EGRESS]}
    async with listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        assert (await until_event(heard, "drained"))["name"] == "blue"
    assert [call["identity"] for call in (await gateway.admin("GET", "/calls"))[1]] == ["agent"]


BLUE = {"releve.agent": "default", "releve.colour": "blue", "releve.worker": "RW_gone"}
GREEN = BLUE | {"releve.colour": "green"}


async def test_while_one_call_lasts_the_others_rooms_are_not_asked_about(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question for all rooms, and one for the room of the call that is waited for."""
    people = {f"r{n}": [participant("a", **GREEN)] for n in range(200)}
    server.people = people | {"blue": [participant("b", **BLUE)]}
    await cordon(gateway, "colours/blue")
    await until(lambda: server.questions["ListRooms"] > 201 // drain.ROOMS_AT_ONCE + 5)
    server.questions.clear()
    await until(lambda: server.questions["ListRooms"] == 10)
    assert 9 <= server.questions["ListParticipants"] <= 11
    async with listening(gateway) as heard:
        server.people["blue"] = []
        assert (await until_event(heard, "drained"))["name"] == "blue"


async def test_a_look_asks_about_few_rooms_and_all_are_asked_before_drained(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "ROOMS_AT_ONCE", 5)
    server.people = {f"r{n}": [participant("a", **GREEN)] for n in range(60)}
    async with listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        await until_event(heard, "drained")
    assert server.questions["ListParticipants"] >= 60
    assert server.questions["ListParticipants"] <= 5 * server.questions["ListRooms"]


async def test_a_direct_worker_that_takes_a_new_room_meanwhile_is_noticed(
    gateway: Running, server: StandInServer
) -> None:
    server.people = {"old": [participant("direct-1")]}
    async with listening(gateway) as heard:
        await cordon(gateway, "colours/blue")
        await until(lambda: server.questions["ListParticipants"] > 2)
        server.people = {"new": [participant("direct-2")]}
        seen = server.questions["ListRooms"]
        await until(lambda: server.questions["ListRooms"] > seen + 3)
        assert (await gateway.state())["drained"] == []
        server.people = {"new": []}
        assert (await until_event(heard, "drained"))["name"] == "blue"


@pytest.mark.parametrize("ends", ["breaks", "is closed by the worker"])
async def test_a_worker_cordoned_by_its_id_stays_so_when_its_connection_breaks(
    gateway: Running, server: StandInServer, ends: str
) -> None:
    async with registered(gateway.workers, gateway.blue, version="1") as worker:
        await cordon(gateway, f"workers/{worker.id}")
        if ends == "breaks":
            abort(worker)
    await until_workers(gateway, 0)
    assert (await gateway.state())["cordoned_away"] == [worker.id]
    async with (
        registered(gateway.workers, gateway.blue, version="2") as other,
        registered(gateway.workers, gateway.blue, version="1") as again,
    ):
        assert (again.id == worker.id) is (ends == "breaks")
        workers = {item["id"]: item["cordoned"] for item in (await gateway.state())["workers"]}
        assert workers == {other.id: False, again.id: ends == "breaks"}


async def test_a_drain_of_a_worker_that_left_ends_when_its_last_call_does(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker, listening(gateway) as heard:
        server.people = {"room": [participant("a", **{"releve.worker": worker.id})]}
        await cordon(gateway, f"workers/{worker.id}")
        await worker.socket.close()
        await until_workers(gateway, 0)
        assert (await gateway.state())["drained"] == []
        server.people.clear()
        assert (await until_event(heard, "drained"))["name"] == worker.id


async def test_a_drain_says_that_the_gateway_does_not_know_the_worker_any_more(
    config: GatewayConfig, server: StandInServer
) -> None:
    """A cordon by id is not remembered over the end of the gateway."""
    async with running(config, server) as gateway, registered(gateway.workers, gateway.blue) as one:
        server.people = {"room": [participant("a", **{"releve.worker": one.id})]}
        words = ["drain", one.id, "--socket", str(config.admin_socket)]
        waiting = asyncio.create_task(asyncio.to_thread(CliRunner().invoke, cli.app, words))
        async with asyncio.timeout(10):
            while not (await gateway.state())["workers"][0]["cordoned"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        server.connections.clear()
        async with running(config, server, take_over=True):
            gateway.stop.set()
            told = await waiting
    assert told.exit_code == 2
    assert f"does not know {one.id} any more" in told.output


async def until_workers(gateway: Running, count: int) -> None:
    async with asyncio.timeout(5):
        while len((await gateway.state())["workers"]) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
