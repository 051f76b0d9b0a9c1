"""Caps: so many calls of an agent, so many of a worker, and never one more, in any burst."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from livekit.protocol import agent as proto
from pydantic import ValidationError

from releve.gateway.config import AgentKey, GatewayConfig
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, StandInWorker, registered, until

Serve = Callable[..., Any]


@pytest.fixture
def serve(config: GatewayConfig, server: StandInServer) -> Serve:
    """A gateway with caps."""

    @asynccontextmanager
    async def serving(queue_seconds: float = 0.0, **caps: int) -> AsyncIterator[Running]:
        settings = AgentKey(namespace="default", queue_seconds=queue_seconds, **caps)
        agents = {"default": settings}
        async with running(config.model_copy(update={"agents": agents}), server) as gateway:
            yield gateway

    return serving


async def burst(server: StandInServer, count: int, first: int = 0) -> list[bool]:
    rooms = (f"room-{number}" for number in range(first, first + count))
    return await asyncio.gather(*map(server.dispatch, rooms))


async def end(worker: StandInWorker, which: int = 0) -> None:
    """The worker tells that a job of it has ended."""
    done = proto.UpdateJobStatus(job_id=worker.assigned[which].job.id)
    done.status = proto.JobStatus.JS_SUCCESS
    await worker.send(proto.WorkerMessage(update_job=done))


async def test_a_burst_gives_a_worker_no_call_more_than_it_may_have(
    serve: Serve, server: StandInServer
) -> None:
    async with (
        serve(calls_per_worker=2) as gateway,
        registered(gateway.workers, gateway.blue) as one,
        registered(gateway.workers, gateway.blue) as two,
    ):
        taken = await burst(server, 20)
        assert sum(taken) == 4
        await until(lambda: len(one.rooms) + len(two.rooms) == 4)
        assert (len(one.rooms), len(two.rooms)) == (2, 2)


async def test_a_burst_gives_an_agent_no_call_more_than_it_may_have(
    serve: Serve, server: StandInServer
) -> None:
    async with (
        serve(calls=3) as gateway,
        registered(gateway.workers, gateway.blue) as one,
        registered(gateway.workers, gateway.green),
    ):
        assert sum(await burst(server, 20)) == 3
        assert not await server.dispatch("a dark one counts, too", "releve-green")
        assert len((await gateway.admin("GET", "/jobs"))[1]) == 3
        await until(lambda: len(one.rooms) == 3)
        await end(one)
        await until(lambda: bool(server.updates))
        assert sum(await burst(server, 5, first=20)) == 1


async def test_slow_workers_hold_the_places_that_they_were_asked_for(
    serve: Serve, server: StandInServer
) -> None:
    """Both answers are yes and late: only one was asked."""
    async with (
        serve(calls_per_worker=1) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        worker.accepts = None
        asking = [asyncio.create_task(server.dispatch(room)) for room in ("a", "b")]
        await until(lambda: bool(worker.offered))
        await worker.answer(worker.offered[0], True)
        assert sorted(await asyncio.gather(*asking)) == [False, True]
        assert len(worker.offered) == 1


async def test_a_handover_in_the_same_room_is_not_another_call(
    serve: Serve, server: StandInServer
) -> None:
    async with (
        serve(calls=1) as gateway,
        registered(gateway.workers, gateway.blue),
        registered(gateway.workers, gateway.green) as green,
    ):
        assert await server.dispatch("room")
        assert await server.dispatch("room", "releve-green")
        await until(lambda: green.rooms == ["room"])
        assert not await server.dispatch("other")


@pytest.mark.parametrize("cap", ["calls", "calls_per_worker"])
async def test_who_finds_no_place_waits_for_one_and_gets_it(
    serve: Serve, server: StandInServer, cap: str
) -> None:
    async with (
        serve(queue_seconds=0.9, **{cap: 1}) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        assert await server.dispatch("first")
        await until(lambda: worker.rooms == ["first"])
        waiting = asyncio.create_task(server.dispatch("second"))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await end(worker)
        assert await waiting


async def test_the_rejection_says_that_there_was_no_place(
    serve: Serve, server: StandInServer
) -> None:
    async with serve(calls=1, queue_seconds=0.2) as gateway:
        async with registered(gateway.workers, gateway.blue):
            assert sum(await burst(server, 2)) == 1
            async with gateway.plain.get(
                f"http://127.0.0.1:{gateway.config.metrics_port}/metrics"
            ) as answer:
                figures = await answer.text()
        assert 'releve_offers_total{agent="default",colour="none",outcome="full"} 1.0' in figures
        told = [(await gateway.admin("GET", f"/why?room=room-{n}"))[1] for n in (0, 1)]
        caps = [entry.get("cap") for one in told for entry in one["history"]]
        assert "1 of 1 calls of default" in caps


async def test_the_server_hears_that_all_places_are_taken_and_when_one_is_free(
    serve: Serve, server: StandInServer
) -> None:
    full, free = proto.WorkerStatus.WS_FULL, proto.WorkerStatus.WS_AVAILABLE
    async with (
        serve(calls_per_worker=1) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        await until(lambda: server.status[""] == free)
        assert await server.dispatch("room")
        await until(lambda: server.status[""] == full)
        await end(worker)
        await until(lambda: server.status[""] == free, 0.8)  # at once, not with the next report


async def test_a_call_whose_worker_is_gone_counts_until_it_is_over(
    serve: Serve, server: StandInServer
) -> None:
    async with serve(calls=1) as gateway:
        async with registered(gateway.workers, gateway.blue) as worker:
            assert await server.dispatch("room")
            await until(lambda: worker.rooms == ["room"])
        async with registered(gateway.workers, gateway.blue):
            assert not await server.dispatch("other")
            await server.terminate(worker.assigned[0].job.id)
            async with asyncio.timeout(5):
                while not await server.dispatch("other"):
                    pass


def test_a_queue_leaves_time_to_ask(config: GatewayConfig) -> None:
    settings = config.model_dump() | {"offer_seconds": 1.0}
    settings["agents"] = {"default": {"queue_seconds": 1.0, "calls": 1}}
    with pytest.raises(ValidationError, match="less than offer_seconds, 1"):
        GatewayConfig.model_validate(settings)
