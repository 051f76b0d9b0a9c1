"""A job that ends while its worker lives: dispatched again as the agent's `restart` says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.config import AgentKey, GatewayConfig
from releve.gateway.upkeep import redispatch
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, StandInWorker, participant, registered, until

Serve = Callable[..., Any]
FAILED, SUCCESS = proto.JobStatus.JS_FAILED, proto.JobStatus.JS_SUCCESS


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "AGAIN_SECONDS", 0.2)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.0)


@pytest.fixture
def serve(config: GatewayConfig, server: StandInServer) -> Serve:
    """A gateway that restarts jobs; a caller is in the room."""
    server.people = {"room": [models.ParticipantInfo(identity="caller")]}

    @asynccontextmanager
    async def serving(restart: str, **settings: Any) -> AsyncIterator[Running]:
        agents = {"default": AgentKey(namespace="default", restart=restart, **settings)}
        async with running(config.model_copy(update={"agents": agents}), server) as gateway:
            yield gateway

    return serving


async def end(worker: StandInWorker, status: int, which: int = -1) -> None:
    over = proto.UpdateJobStatus(job_id=worker.assigned[which].job.id, error="no model")
    over.status = status
    await worker.send(proto.WorkerMessage(update_job=over))


@pytest.mark.parametrize(
    ("restart", "status", "again"),
    [
        ("never", FAILED, False),
        ("on_failure", FAILED, True),
        ("on_failure", SUCCESS, False),
        ("always", SUCCESS, True),
        ("always", FAILED, True),
    ],
)
async def test_the_policy(
    serve: Serve, server: StandInServer, restart: str, status: int, again: bool
) -> None:
    async with serve(restart) as gateway, registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch("room", metadata="user 7")
        await until(lambda: worker.rooms == ["room"])
        await end(worker, status)
        await until(lambda: bool(server.updates))
        if again:
            await until(lambda: len(server.requests) == 1)
            assert server.requests[0].metadata == "user 7"
            state = await gateway.admin("GET", "/why?room=room")
            assert "redispatch" in [entry["event"] for entry in state[1]["history"]]
        else:
            # A call of a worker that dies is looked after: when that is done, so was the other.
            server.people["later"] = [models.ParticipantInfo(identity="caller")]
            async with registered(gateway.workers, gateway.green) as dying:
                await gateway.weights(100)
                assert await server.dispatch("later")
                await until(lambda: dying.rooms == ["later"])
            await until(lambda: ("later", "") in server.asked_for)
            assert ("room", "") not in server.asked_for


async def test_it_ends_after_so_many_restarts_of_one_room(
    serve: Serve, server: StandInServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        serve("on_failure", restarts=2) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        assert await server.dispatch("room")
        for number in (1, 2):
            await until(lambda: len(worker.rooms) == number)  # noqa: B023
            await end(worker, FAILED)
            await until(lambda: len(server.requests) == number)  # noqa: B023
            assert await server.dispatch("room", dispatch_id=sorted(server.dispatches["room"])[-1])
        await until(lambda: len(worker.rooms) == 3)
        await end(worker, FAILED)
        await until(lambda: "job ended too often" in caplog.text)
        asked = server.questions["ListParticipants"]
        async with registered(gateway.workers, gateway.green) as dying:
            await gateway.weights(100)
            server.people["later"] = [models.ParticipantInfo(identity="caller")]
            assert await server.dispatch("later")
            await until(lambda: dying.rooms == ["later"])
        await until(lambda: ("later", "") in server.asked_for)
        assert server.questions["ListParticipants"] > asked
        assert [room for room, _ in server.asked_for].count("room") == 2


async def test_a_worker_that_says_it_twice_is_heard_once(
    serve: Serve, server: StandInServer
) -> None:
    async with (
        serve("on_failure", restarts=1) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        await end(worker, FAILED)
        await end(worker, FAILED)
        await until(lambda: len(server.requests) == 1)


async def test_nobody_comes_to_a_room_that_has_an_agent_or_no_caller(
    serve: Serve, server: StandInServer
) -> None:
    server.people = {"served": [models.ParticipantInfo(identity="caller"), participant("other")]}
    server.people |= {"left": [participant("recorder")], "waits": [models.ParticipantInfo()]}
    async with serve("always") as gateway, registered(gateway.workers, gateway.blue) as worker:
        for number, room in enumerate(("served", "left", "waits"), 1):
            assert await server.dispatch(room)
            await until(lambda: len(worker.rooms) == number)  # noqa: B023
            await end(worker, SUCCESS)
        await until(lambda: bool(server.asked_for))
        await until(lambda: server.questions["ListParticipants"] >= 3)
        assert server.asked_for == [("waits", "")]


async def test_whoever_deleted_the_dispatch_wants_no_agent(
    serve: Serve, server: StandInServer
) -> None:
    server.people["waits"] = [models.ParticipantInfo(identity="caller")]
    async with serve("always") as gateway, registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        server.dispatches["room"].clear()
        await end(worker, SUCCESS)
        assert await server.dispatch("waits")
        await until(lambda: len(worker.rooms) == 2)
        await end(worker, SUCCESS)
        await until(lambda: bool(server.asked_for))
        assert server.asked_for == [("waits", "")]
