"""`releve why <room>`: why nobody came, or this one, and what to do about it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from livekit import api
from livekit.protocol import agent as proto
from livekit.protocol import models
from typer.testing import CliRunner

from releve import cli
from releve.gateway import policy
from releve.gateway.dispatch import room_history
from releve.gateway.dispatch.room_history import RoomHistory
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, StandInWorker, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")
ROOM = "lesson-7"


@pytest.fixture(autouse=True)
def a_caller_waits(server: StandInServer) -> None:
    server.people = {ROOM: [CALLER]}


async def ask(gateway: Running, room: str = ROOM) -> dict[str, Any]:
    status, content = await gateway.admin("GET", f"/why?room={room}")
    assert status == 200, content
    assert isinstance(content, dict)
    return content


async def sentences(gateway: Running) -> tuple[str, str]:
    """Why, and the remedy, of the one agent that there is."""
    (told,) = (await ask(gateway))["agents"]
    return told["why"], told["remedy"]


@asynccontextmanager
async def in_the_room(
    gateway: Running, server: StandInServer, port: int, **told: Any
) -> AsyncIterator[StandInWorker]:
    """A worker that took the room, and its agent, which is there."""
    async with registered(gateway.workers, port) as worker:
        assert await server.dispatch(ROOM, **told)
        await until(lambda: worker.rooms == [ROOM])
        attributes = dict(server.accepted[-1].participant_attributes)
        server.people[ROOM].append(participant("agent-1", **attributes))
        yield worker


async def test_the_agent_that_is_there_and_the_weights_that_chose_it(
    gateway: Running, server: StandInServer
) -> None:
    place = policy.bucket(ROOM)
    await gateway.weights(place + 1)
    async with in_the_room(gateway, server, gateway.green) as worker:
        await gateway.weights(0)  # what counts is what held then
        why, remedy = await sentences(gateway)
    assert why == (
        f"agent-1 is in the room: green, worker {worker.id}. The name of the room puts it at "
        f"{place} of 100, which is green at blue {99 - place} %, green {place + 1} %."
    )
    assert remedy == ""


async def test_the_agent_of_the_other_colour_and_why_the_first_did_not_come(
    gateway: Running, server: StandInServer
) -> None:
    await gateway.weights(100)
    async with registered(gateway.workers, gateway.green) as green:
        green.accepts = False
        async with in_the_room(gateway, server, gateway.blue):
            why, _ = await sentences(gateway)
    assert "It was green's (room;" in why
    assert "green took it not: green rejected (1)" in why


async def test_two_agents_are_named(gateway: Running, server: StandInServer) -> None:
    async with in_the_room(gateway, server, gateway.blue):
        server.people[ROOM].append(participant("agent-2"))
        why, remedy = await sentences(gateway)
    assert why == "2 agents of default are in the room: agent-1 and agent-2."
    assert remedy.startswith("Remove one of them")


async def test_nobody_could_be_asked(gateway: Running, server: StandInServer) -> None:
    assert not await server.dispatch(ROOM)
    server.dispatches[ROOM]["AD_1"] = api.AgentDispatch(id="AD_1", room=ROOM)
    why, remedy = await sentences(gateway)
    assert "no worker could be asked. Now: no worker of blue is connected." in why
    assert remedy == "Either of: start a worker of blue."
    async with registered(gateway.workers, gateway.green):
        why, remedy = await sentences(gateway)
        assert "no worker of blue is connected, and green has weight 0 and is no fallback" in why
        assert "releve gateway weights 100" in remedy
        await gateway.cordon("blue")
        why, remedy = await sentences(gateway)
        assert "blue is cordoned" in why


async def test_full_workers_are_told_from_cordoned_ones(
    gateway: Running, server: StandInServer
) -> None:
    server.dispatches[ROOM]["AD_1"] = api.AgentDispatch(id="AD_1", room=ROOM)
    async with registered(gateway.workers, gateway.blue) as worker:
        full = proto.UpdateWorkerStatus(load=0.9, status=proto.WorkerStatus.WS_FULL)
        await worker.send(proto.WorkerMessage(update_worker=full))
        async with asyncio.timeout(5):
            while "every worker of blue is full" not in (await sentences(gateway))[0]:
                pass
        assert "start more workers of blue" in (await sentences(gateway))[1]
        await gateway.admin("PUT", f"/workers/{worker.id}/cordon", {"cordoned": True})
        assert "every worker of blue is cordoned" in (await sentences(gateway))[0]


async def test_all_who_were_asked_said_no_or_nothing(
    gateway: Running, server: StandInServer
) -> None:
    async with (
        registered(gateway.workers, gateway.blue, name="no") as no,
        registered(gateway.workers, gateway.blue, name="silent") as silent,
    ):
        no.accepts, silent.accepts = False, None
        assert not await server.dispatch(ROOM)
        server.dispatches[ROOM]["AD_1"] = api.AgentDispatch(id="AD_1", room=ROOM)
        why, remedy = await sentences(gateway)
    assert "of 2 workers none took it" in why
    assert "blue rejected (1)" in why
    assert "blue no answer (1)" in why
    assert remedy.startswith("Read the logs of these workers")


async def test_a_worker_that_refused_for_all(gateway: Running, server: StandInServer) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        worker.accepts = None
        asking = asyncio.create_task(server.dispatch(ROOM))
        await until(lambda: bool(worker.offered))
        await worker.answer(worker.offered[0], False, terminate=True)
        assert not await asking
        server.dispatches[ROOM]["AD_1"] = api.AgentDispatch(id="AD_1", room=ROOM)
        why, _ = await sentences(gateway)
    assert f"Worker {worker.id} (blue) refused the room for all" in why


async def test_a_job_that_failed_says_so_in_its_workers_words(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch(ROOM)
        await until(lambda: worker.rooms == [ROOM])
        why, remedy = await sentences(gateway)
        assert f"An agent is on its way: blue, worker {worker.id} took the job" in why
        failed = proto.UpdateJobStatus(job_id=worker.assigned[0].job.id, error="no model\n" * 90)
        failed.status = proto.JobStatus.JS_FAILED
        await worker.send(proto.WorkerMessage(update_job=failed))
        await until(lambda: bool(server.updates))
        why, remedy = await sentences(gateway)
    assert "the job failed: no model no model" in why
    assert len(why) < 400
    assert f"Read its log at job {worker.assigned[0].job.id}" in remedy


async def test_a_worker_whose_connection_is_gone(gateway: Running, server: StandInServer) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch(ROOM)
        await until(lambda: worker.rooms == [ROOM])
    why, remedy = await sentences(gateway)
    assert f"The connection of worker {worker.id} (blue), which had the call, is gone." in why
    assert remedy.startswith("Wait")


async def test_nobody_asked_for_an_agent(gateway: Running, server: StandInServer) -> None:
    why, remedy = await sentences(gateway)
    assert "LiveKit Server has no dispatch in the room" in why
    assert "Ask once more" in remedy
    strange = api.AgentDispatch(id="AD_1", room=ROOM, agent_name="coach", deployment="staging")
    server.dispatches[ROOM]["AD_1"] = strange
    why, remedy = await sentences(gateway)
    assert "asks for agent_name 'coach', deployment 'staging'" in why
    assert "serves no such agent" in why


async def test_nobody_waits_and_no_such_room(gateway: Running, server: StandInServer) -> None:
    server.people[ROOM] = [participant("avatar", **{"lk.publish_on_behalf": "gone"})]
    assert (await sentences(gateway))[0].startswith("No caller is in the room")
    server.people = {}
    why, remedy = await sentences(gateway)
    assert "LiveKit Server has no room of that name now" in why
    assert "letter by letter" in remedy


async def test_a_job_that_somebody_else_has(gateway: Running, server: StandInServer) -> None:
    state = proto.JobState(worker_id="AW_direct")
    made = api.AgentDispatch(id="AD_1", room=ROOM)
    made.state.jobs.append(proto.Job(id="AJ_9", state=state))
    server.dispatches[ROOM]["AD_1"] = made
    why, _ = await sentences(gateway)
    assert why.startswith("LiveKit Server gave job AJ_9 to AW_direct")


async def test_a_server_that_does_not_answer_hides_nothing_that_is_known_here(
    gateway: Running, server: StandInServer
) -> None:
    assert not await server.dispatch(ROOM)
    server.page = web.Response(text="<html>")
    content = await ask(gateway)
    (told,) = content["agents"]
    assert "LiveKit Server does not answer" in told["why"]
    assert "Its last offer was rejected" in told["why"]
    assert content["server"]["listed"] is None
    assert [entry["event"] for entry in content["history"]] == ["offer"]


async def test_a_lost_key_is_named(gateway: Running, server: StandInServer) -> None:
    server.dispatches[ROOM]["AD_1"] = api.AgentDispatch(
        id="AD_1", room=ROOM, agent_name="releve-green"
    )
    server.silent = True  # it takes no registration again
    await server.connections.pop("releve-green").close()
    sentence = "The gateway is not registered at LiveKit Server as releve-green."
    async with asyncio.timeout(5):
        while (await sentences(gateway))[0] != sentence:
            pass


async def test_metadata_and_attributes_are_the_applications_and_not_told(
    gateway: Running, server: StandInServer
) -> None:
    async with in_the_room(
        gateway, server, gateway.blue, metadata="secret", attributes={"own": "secret"}
    ):
        assert "secret" not in json.dumps(await ask(gateway))


async def test_the_room_must_be_named(gateway: Running) -> None:
    for query in ("", "?room=", f"?room={'x' * 300}"):
        status, content = await gateway.admin("GET", f"/why{query}")
        assert status == 400
        assert "give the name of a room" in content["error"]


async def test_an_operator_types_it(gateway: Running, server: StandInServer) -> None:
    async with in_the_room(gateway, server, gateway.blue) as worker:
        line = ["why", ROOM, "--socket", str(gateway.config.admin_socket)]
        runner = CliRunner(env={"COLUMNS": "200"})
        result = await asyncio.to_thread(runner.invoke, cli.main, line)
    assert result.exit_code == 0, result.output
    assert f"default: agent-1 is in the room: blue, worker {worker.id}." in result.output
    assert "caller (caller), agent-1 (agent)" in result.output
    assert "s ago  offer" in result.output


def test_the_history_is_bounded_whatever_rooms_are_called() -> None:
    history = RoomHistory()
    for number in range(room_history.ROOMS_KEPT + 5):
        history.note(f"room {number}", "offer", agent="default")
    for number in range(50):
        history.note("room 900", "offer", agent="default", number=number)
    assert history.of("room 4") == []
    assert len(history.of("room 5")) == 1
    last = history.of("room 900")
    assert len(last) == room_history.ENTRIES_KEPT
    assert last[-1].facts["number"] == 49
