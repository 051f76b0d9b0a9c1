"""A job that nobody will ever tell the end of is not on the list for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.upkeep import drain, stale_jobs
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, participant, registered, until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale_jobs, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(stale_jobs, "YOUNG_SECONDS", 0.1)
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)


async def until_state(gateway: Running, holds: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds(await gateway.state()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_call_whose_end_fell_into_a_cut_is_over_when_its_room_is_gone(
    server: StandInServer, gateway: Running
) -> None:
    """The server that comes back knows nothing of it, and 0.7.2 tells no end."""
    async with registered(gateway.workers, gateway.blue) as worker:
        server.people = {"ended": [], "goes on": [participant("agent-worker")]}
        assert [await server.dispatch(room) for room in server.people] == [True, True]
        await until(lambda: len(worker.rooms) == 2)
        await server.stop()
        del server.people["ended"]
        await server.start()
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_AVAILABLE)
        await gateway.cordon("blue")
        await until_state(gateway, lambda state: state["jobs"] == 1)
        jobs = {job["room"]: job["state"] for job in (await gateway.admin("GET", "/jobs"))[1]}
        assert jobs == {"ended": "ended", "goes on": "running"}
        server.people.clear()
        await until_state(gateway, lambda state: state["drained"] == ["blue"])


async def test_a_later_room_of_the_same_name_keeps_no_old_call(
    server: StandInServer, gateway: Running
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        server.rooms["lesson"] = models.Room(name="lesson", sid="RM_1")
        assert await server.dispatch("lesson")
        await until(lambda: worker.rooms == ["lesson"])
        server.rooms["lesson"] = models.Room(name="lesson", sid="RM_2")
        assert await server.dispatch("lesson")
        await until(lambda: worker.rooms == ["lesson"] * 2)
        await until_state(gateway, lambda state: state["jobs"] == 1)
        states = [job["state"] for job in (await gateway.admin("GET", "/jobs"))[1]]
        assert states == ["ended", "running"]
