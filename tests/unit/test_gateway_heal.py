"""A worker that dies leaves nobody alone, and a connection that breaks brings nobody a second
agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.upkeep import redispatch
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, StandInWorker, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")
RECORDER = models.ParticipantInfo(identity="EG_1", kind=models.ParticipantInfo.Kind.EGRESS)
HIDDEN = models.ParticipantInfo(
    identity="supervisor", permission=models.ParticipantPermission(hidden=True)
)
PHONE = models.ParticipantInfo(identity="sip", kind=models.ParticipantInfo.Kind.SIP)
AVATAR = participant("avatar", **{"lk.publish_on_behalf": "agent-one"})
PARTICIPANT_AGENT = participant("translator", **{"releve.type": "JT_PARTICIPANT"})


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)
    monkeypatch.setattr(redispatch, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(redispatch, "ELSEWHERE_SECONDS", 0.05)


@pytest.fixture
async def call(gateway: Running, server: StandInServer) -> AsyncIterator[StandInWorker]:
    """A worker with a call, and one more that could take it."""
    async with AsyncExitStack() as stack:
        doomed = await stack.enter_async_context(registered(gateway.workers, gateway.blue, "one"))
        assert await server.dispatch("room")
        await until(lambda: doomed.rooms == ["room"])
        server.people = {"room": [CALLER, participant("agent-one")]}
        await stack.enter_async_context(registered(gateway.workers, gateway.blue, "two"))
        yield doomed


async def looked(gateway: Running) -> None:
    """Enough time for several looks."""
    await asyncio.sleep(0.2)


async def test_a_caller_whose_agent_died_gets_another(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    await call.socket.close()
    await looked(gateway)
    assert server.asked_for == []  # the process may live: its agent is still in the room
    server.people["room"] = [CALLER]
    await until(lambda: bool(server.asked_for))
    assert server.asked_for[0] == ("room", "")
    server.people["room"] = [CALLER, participant("agent-two")]
    asked = len(server.asked_for)
    await looked(gateway)
    assert len(server.asked_for) == asked
    async with gateway.plain.get(
        f"http://127.0.0.1:{gateway.config.metrics_port}/metrics"
    ) as answer:
        figure = f'releve_redispatches_total{{agent="default"}} {float(asked)}'
        assert figure in await answer.text()


@pytest.mark.parametrize(
    "people",
    [
        [],
        [participant("agent-one")],
        [CALLER, participant("agent-two")],
        [RECORDER],
        [HIDDEN, RECORDER],
        [AVATAR],
    ],
)
async def test_nobody_is_sent_where_nobody_is_missed(
    gateway: Running,
    server: StandInServer,
    call: StandInWorker,
    people: list[models.ParticipantInfo],
) -> None:
    server.people["room"] = people
    await call.socket.close()
    await looked(gateway)
    assert server.asked_for == []


async def test_an_agent_on_its_way_is_waited_for(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    server.people["room"] = [CALLER]
    assert await server.dispatch("room")
    await call.socket.close()
    await looked(gateway)
    assert server.asked_for == []


async def test_without_anybody_here_others_are_asked_once_and_a_newcomer_at_once(
    gateway: Running,
    server: StandInServer,
    call: StandInWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another gateway may have a worker; ours may be back in seconds."""
    monkeypatch.setattr(redispatch, "AGAIN_SECONDS", 60.0)
    await gateway.cordon("blue")
    server.people["room"] = [CALLER]
    await call.socket.close()
    await until(lambda: bool(server.asked_for))
    await looked(gateway)
    assert len(server.asked_for) == 1
    await gateway.cordon("blue", False)
    await until(lambda: len(server.asked_for) == 2)


async def test_a_call_that_ended_with_its_worker_connected_is_over(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    server.people["room"] = [CALLER]
    await server.terminate(call.assigned[0].job.id)
    await looked(gateway)
    assert server.asked_for == []


async def test_a_room_whose_offer_was_cut_off_is_asked_for_again(
    gateway: Running, server: StandInServer
) -> None:
    """The server asks nobody else when the only gateway it knew is gone for a moment."""
    server.people = {"room": [CALLER], "left": []}
    async with registered(gateway.workers, gateway.blue) as worker:
        worker.accepts = None
        offers = [asyncio.create_task(server.dispatch(room)) for room in server.people]
        await until(lambda: len(worker.offered) == 2)
        await server.stop()
        for offer in offers:
            offer.cancel()
        assert server.asked_for == []
        await server.start()
        await until(lambda: bool(server.asked_for))
        assert server.asked_for[0] == ("room", "")
        server.people["room"].append(participant("agent-of-another-gateway"))
        await looked(gateway)
        assert {room for room, _name in server.asked_for} == {"room"}


async def test_a_worker_that_leaves_between_its_yes_and_the_job_leaves_nobody_alone(
    gateway: Running, server: StandInServer
) -> None:
    server.people = {"room": [CALLER]}
    server.assigns.clear()
    async with registered(gateway.workers, gateway.blue):
        promised = asyncio.create_task(server.dispatch("room"))
        await until(lambda: bool(server.accepted))
    await until(lambda: bool(server.asked_for))
    server.assigns.set()
    assert await promised
    assert set(server.asked_for) == {("room", "")}


async def test_a_room_that_asked_for_one_colour_by_its_dark_name_gets_no_other(
    gateway: Running, server: StandInServer
) -> None:
    """Else a probe of green would measure blue."""
    server.people = {"probe": [CALLER]}
    async with registered(gateway.workers, gateway.green) as green:
        assert await server.dispatch("probe", "releve-green")
        await until(lambda: green.rooms == ["probe"])
    await until(lambda: bool(server.asked_for))
    assert set(server.asked_for) == {("probe", "releve-green")}


async def test_one_room_is_watched_once_however_many_agents_it_lost(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two watches of one room would send it two agents."""
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(redispatch, "AGAIN_SECONDS", 60.0)
    server.people = {"room": [CALLER]}
    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            worker = await stack.enter_async_context(
                registered(gateway.workers, gateway.blue, name)
            )
            assert await server.dispatch("room")
            await until(lambda worker=worker: worker.rooms == ["room"])
            await worker.socket.close()
            await until(worker.closed.is_set)
        await stack.enter_async_context(registered(gateway.workers, gateway.blue, "three"))
        await until(lambda: bool(server.asked_for))
        await looked(gateway)
        assert server.asked_for == [("room", "")]


async def test_an_agent_that_outlives_its_workers_connection_may_hang_up_like_any_other(
    gateway: Running, server: StandInServer, call: StandInWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redispatch, "HASTE_SECONDS", 0.1)
    await call.socket.close()
    await looked(gateway)
    server.people["room"] = [CALLER]
    await looked(gateway)
    assert server.asked_for == []


@pytest.mark.parametrize(
    "others", [[CALLER, AVATAR], [PHONE, RECORDER], [CALLER, HIDDEN], [CALLER, PARTICIPANT_AGENT]]
)
async def test_whoever_is_no_agent_for_the_room_replaces_none(
    gateway: Running,
    server: StandInServer,
    call: StandInWorker,
    others: list[models.ParticipantInfo],
) -> None:
    await call.socket.close()
    server.people["room"] = others
    await until(lambda: bool(server.asked_for))


@pytest.mark.parametrize("status", ["JS_SUCCESS", "JS_FAILED"])
async def test_a_job_whose_end_its_worker_reports_is_replaced_only_if_it_failed(
    gateway: Running, server: StandInServer, call: StandInWorker, status: str
) -> None:
    """The agent said goodbye, and the caller is still there."""
    job = call.assigned[0].job.id
    await call.socket.close()
    async with registered(gateway.workers, gateway.blue, "one") as again:
        update = proto.WorkerMessage()
        update.update_job.job_id, update.update_job.status = job, proto.JobStatus.Value(status)
        await again.send(update)
        await until(lambda: bool(server.updates))
        server.people["room"] = [CALLER]
        await looked(gateway)
    assert bool(server.asked_for) is (status == "JS_FAILED")


@pytest.mark.parametrize("agent", ["is still there", "has left"])
async def test_an_agent_that_the_server_sends_away_is_missed_by_nobody(
    gateway: Running, server: StandInServer, call: StandInWorker, agent: str
) -> None:
    """DeleteDispatch: the server tells before the agent has left. It tells the same when an agent
    is gone, and then somebody may be alone."""
    await call.socket.close()
    if agent == "has left":
        server.people["room"] = [CALLER]
    await server.terminate(call.assigned[0].job.id)
    await looked(gateway)
    server.people["room"] = [CALLER]
    await looked(gateway)
    assert bool(server.asked_for) is (agent == "has left")


async def test_it_is_asked_for_as_it_was_the_first_time(
    gateway: Running, server: StandInServer
) -> None:
    told = {"metadata": '{"user": 7}', "deployment": "staging", "attributes": {"lesson": "3"}}
    server.people = {"room": [CALLER], "offered": [CALLER]}
    async with registered(gateway.workers, gateway.green, "one") as one:
        assert await server.dispatch("room", "releve-green", **told)
        await until(lambda: one.rooms == ["room"])
        one.accepts = None
        offer = asyncio.create_task(server.dispatch("offered", "releve-green", **told))
        await until(lambda: len(one.offered) == 2)
        await server.stop()
        offer.cancel()
        await server.start()
    await until(lambda: {wanted.room for wanted in server.requests} == {"room", "offered"})
    for wanted in server.requests:
        assert wanted.agent_name == "releve-green"
        assert (wanted.metadata, wanted.deployment) == (told["metadata"], told["deployment"])
        assert dict(wanted.attributes) == told["attributes"]


async def test_an_offer_that_is_open_counts_as_an_agent_on_its_way(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    async with registered(gateway.workers, gateway.blue, "three") as three:
        three.accepts = None
        for worker in (await gateway.state())["workers"]:
            if worker["id"] != three.id:
                path = f"/workers/{worker['id']}/cordon"
                await gateway.admin("PUT", path, {"cordoned": True})
        offered = asyncio.create_task(server.dispatch("room"))
        await until(lambda: bool(three.offered))
        server.people["room"] = [CALLER]
        await call.socket.close()
        await looked(gateway)
        assert server.asked_for == []
        await three.answer(three.offered[0], True)
        assert await offered


async def test_a_participants_job_in_the_room_hides_no_death(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    kind = "JT_PARTICIPANT"
    async with registered(gateway.workers, gateway.blue, type=proto.JobType.Value(kind)) as other:
        await until(lambda: f"/{kind}" in server.connections)
        assert await server.dispatch("room", f"/{kind}")
        await until(lambda: other.rooms == ["room"])
        server.people["room"] = [CALLER]
        await call.socket.close()
        await until(lambda: bool(server.asked_for))


async def test_tries_that_come_to_nothing_leave_no_dispatches_in_the_room(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    server.people["room"] = [CALLER]
    (first,) = server.dispatches["room"]
    await call.socket.close()
    await until(lambda: len(server.asked_for) == 4)
    left = set(server.dispatches["room"])
    assert first in left
    assert len(left) <= 2


async def test_a_dispatch_made_for_the_room_brings_no_second_agent_to_its_participants(
    gateway: Running, server: StandInServer, call: StandInWorker
) -> None:
    """The server asks under it for participants' agents, too: those they have already."""
    kind = "JT_PARTICIPANT"
    async with registered(gateway.workers, gateway.blue, type=proto.JobType.Value(kind)) as other:
        await until(lambda: f"/{kind}" in server.connections)
        first, made = next(iter(server.dispatches["room"])), ""
        assert await server.dispatch("room", f"/{kind}", dispatch_id=first)
        server.people["room"] = [CALLER]
        await call.socket.close()
        await until(lambda: len(server.dispatches["room"]) == 2)
        server.people["room"].append(participant("agent-two"))
        made = next(key for key in server.dispatches["room"] if key != first)
        assert not await server.dispatch("room", f"/{kind}", dispatch_id=made)
        assert await server.dispatch("room", f"/{kind}", dispatch_id=first)
        await until(lambda: len(other.rooms) == 2)


async def test_an_agent_that_refuses_for_all_is_asked_for_no_more(
    gateway: Running, server: StandInServer
) -> None:
    server.people = {"room": [CALLER]}
    async with registered(gateway.workers, gateway.blue, "one") as one:
        assert await server.dispatch("room")
        await until(lambda: one.rooms == ["room"])
    await until(lambda: bool(server.asked_for))
    async with registered(gateway.workers, gateway.blue, "two") as two:
        two.accepts = None
        offered = asyncio.create_task(server.dispatch("room"))
        await until(lambda: bool(two.offered))
        asked = len(server.asked_for)
        await two.answer(two.offered[0], False, terminate=True)
        assert not await offered
        await looked(gateway)
        assert len(server.asked_for) == asked


async def test_many_calls_left_behind_are_asked_about_a_few_at_a_time(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redispatch, "ROOMS_AT_ONCE", 3)
    looks: list[int] = []
    look = redispatch.Redispatcher.look

    async def count(self: redispatch.Redispatcher) -> None:
        before = server.questions["ListParticipants"]
        await look(self)
        looks.append(server.questions["ListParticipants"] - before)

    monkeypatch.setattr(redispatch.Redispatcher, "look", count)
    rooms = [f"room-{number}" for number in range(10)]
    async with registered(gateway.workers, gateway.blue, "one") as one:
        for room in rooms:
            assert await server.dispatch(room)
        await until(lambda: len(one.rooms) == 10)
        server.people = {room: [CALLER] for room in rooms}
    await until(lambda: {room for room, _ in server.asked_for} == set(rooms))
    assert max(looks) == 3


async def test_an_agent_that_was_sent_a_moment_ago_may_come_without_its_worker(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job lives in a process of its own: only the connection is known to be gone."""
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.5)
    server.people = {"room": [CALLER]}
    async with registered(gateway.workers, gateway.blue, "one") as one:
        assert await server.dispatch("room")
        await until(lambda: one.rooms == ["room"])
        sent = time.monotonic()
    async with registered(gateway.workers, gateway.blue, "two"):
        await until(lambda: bool(server.asked_for))
        assert time.monotonic() - sent >= 0.4
