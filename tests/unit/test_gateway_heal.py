"""A worker that dies leaves nobody alone, and a connection that breaks brings nobody a second
agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from livekit.protocol import models

from releve.gateway.upkeep import redispatch
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, StandInWorker, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)
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
    "people", [[], [participant("agent-one")], [CALLER, participant("agent-two")]]
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
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 60.0)
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
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 60.0)
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
