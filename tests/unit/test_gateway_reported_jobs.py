"""A worker that comes back with its calls keeps them: livekit-agents from 1.4 on reports them after
every registration, also to a gateway that has taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway import gateway_id
from releve.gateway.config import GatewayConfig
from releve.gateway.upkeep import drain, inherited_calls, redispatch
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, StandInWorker, abort, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "HASTE_SECONDS", 0.2)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)
    monkeypatch.setattr(inherited_calls, "AGAIN_SECONDS", 0.02)
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)


async def states(gateway: Running) -> dict[str, str]:
    return {job["room"]: job["state"] for job in (await gateway.admin("GET", "/jobs"))[1]}


async def until_state(gateway: Running, room: str, state: str) -> None:
    async with asyncio.timeout(5):
        while (await states(gateway)).get(room) != state:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def begin(server: StandInServer, worker: StandInWorker, key: str = "", **told: str) -> str:
    """A call; returns its job's id."""
    assert await server.dispatch("room", key, **told)
    await until(lambda: worker.rooms == ["room"])
    worn = dict(server.accepted[-1].participant_attributes)
    server.people = {"room": [CALLER, participant("agent-one", **worn)]}
    return str(worker.assigned[0].job.id)


async def test_a_call_is_its_workers_again_after_a_blip(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue, "one") as one:
        job = await begin(server, one)
        abort(one)
    await until_state(gateway, "room", "detached")
    async with (
        registered(gateway.workers, gateway.blue, "one") as again,
        registered(gateway.workers, gateway.blue, "two"),
    ):
        await again.report(job)
        await until_state(gateway, "room", "running")
        workers = {item["id"]: item["jobs"] for item in (await gateway.state())["workers"]}
        assert workers[again.id] == 1
        await asyncio.sleep(0.3)  # longer than a call without its worker is watched
        await again.socket.close()
        server.people["room"] = [CALLER]
        await until(lambda: server.asked_for == [("room", "")])


async def test_a_call_that_is_back_ends_like_any_other(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue, "one") as one:
        job = await begin(server, one)
        abort(one)
    await until_state(gateway, "room", "detached")
    async with registered(gateway.workers, gateway.blue, "one") as again:
        await again.report(job)
        await until_state(gateway, "room", "running")
        await gateway.cordon("blue")
        server.people["room"] = [CALLER]  # it says goodbye
        await server.terminate(job)
        await until(lambda: again.terminated == [job])
        assert (await states(gateway)) == {"room": "ended"}
        async with asyncio.timeout(5):
            while (await gateway.state())["drained"] != ["blue"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert server.asked_for == []


async def test_a_worker_may_be_back_before_its_old_connection_is_known_to_be_gone(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue, "one") as again:
        async with registered(gateway.workers, gateway.blue, "one") as one:
            again.accepts = False
            job = await begin(server, one)
            await again.report(job)
            await asyncio.sleep(0.05)
            held = {item["id"]: item["jobs"] for item in (await gateway.state())["workers"]}
            assert held == {again.id: 0, one.id: 1}
        await until_state(gateway, "room", "running")
        assert {item["id"]: item["jobs"] for item in (await gateway.state())["workers"]} == {
            again.id: 1
        }


@pytest.mark.parametrize("who", ["another colour", "nobody's job"])
async def test_a_report_of_what_is_not_the_workers_changes_nothing(
    gateway: Running, server: StandInServer, who: str
) -> None:
    async with registered(gateway.workers, gateway.blue, "one") as one:
        job = await begin(server, one)
        abort(one)
    await until_state(gateway, "room", "detached")
    port = gateway.green if who == "another colour" else gateway.blue
    async with registered(gateway.workers, port, "liar") as liar:
        await liar.report(job if who == "another colour" else "AJ_unknown", "", "x" * 100)
        await asyncio.sleep(0.05)
        assert await states(gateway) == {"room": "detached"}


@asynccontextmanager
async def taken_over(
    config: GatewayConfig, server: StandInServer, key: str = "", **told: str
) -> AsyncIterator[tuple[Running, str]]:
    """A gateway that took over from one that had assigned a call, and the call's job."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(config, server))
        one = await stack.enter_async_context(registered(first.workers, first.green, "one"))
        job = await begin(server, one, key, **told)
        server.connections.clear()
        second = await stack.enter_async_context(running(config, server, take_over=True))
        first.stop.set()
        await asyncio.wait_for(one.closed.wait(), 5)
        yield second, job


@pytest.mark.parametrize("reports", [True, False])
async def test_a_call_is_protected_after_a_take_over(
    config: GatewayConfig, server: StandInServer, reports: bool
) -> None:
    told = {"metadata": "user 7", "deployment": "d"}
    async with (
        taken_over(config, server, "releve-green", **told) as (gateway, job),
        registered(gateway.workers, gateway.green, "one") as again,
        registered(gateway.workers, gateway.green, "two"),
    ):
        if reports:
            await again.report(job)
        await until_state(gateway, "room", "running" if reports else "detached")
        server.people["room"] = [CALLER]
        await again.socket.close()
        await until(lambda: bool(server.requests))
        wanted = server.requests[0]
        assert (wanted.agent_name, wanted.metadata) == ("releve-green", "user 7")
        assert wanted.deployment == "d"


async def test_a_call_that_ends_well_after_a_take_over_is_over(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with (
        taken_over(config, server, "releve-green") as (gateway, job),
        registered(gateway.workers, gateway.green, "one") as again,
    ):
        await until_state(gateway, "room", "detached")
        update = proto.WorkerMessage()
        update.update_job.job_id, update.update_job.status = job, proto.JobStatus.JS_SUCCESS
        await again.send(update)
        await until_state(gateway, "room", "ended")
        server.people["room"] = [CALLER]
        await asyncio.sleep(0.1)
        assert server.asked_for == []


async def test_the_calls_of_another_gateway_are_its_own(
    gateway: Running, server: StandInServer
) -> None:
    worn = {"releve.agent": "default", "releve.colour": "blue", "releve.worker": "RW_blue_x"}
    worn |= {"releve.job": "AJ_x", "releve.gateway": "GW_of_another"}
    server.people = {"room": [CALLER, participant("a", **worn)]}
    async with registered(gateway.workers, gateway.blue):
        await until(lambda: server.questions["ListParticipants"] > 0)
        await asyncio.sleep(0.05)  # the answer has arrived
        server.people["room"] = [CALLER]
        await asyncio.sleep(0.1)
        assert (await states(gateway), server.asked_for) == ({}, [])


def test_the_name_of_a_gateway_is_its_successors(config: GatewayConfig) -> None:
    name = gateway_id.load(config.state_file)
    assert gateway_id.load(config.state_file) == name
    file = config.state_file.with_name(config.state_file.name + ".id")
    file.write_text("../../etc\n")
    other = gateway_id.load(config.state_file)
    assert other not in (name, "../../etc")
    assert gateway_id.load(config.state_file) == other
    assert gateway_id.load(config.state_file / "no" / "folder").startswith("GW_")
