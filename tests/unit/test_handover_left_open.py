"""A gateway is killed midway: the next one leaves the room with the old agent or the new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from releve.gateway import app
from releve.gateway.config import GatewayConfig
from releve.gateway.handover import back, steps
from releve.gateway.handover.open_rooms import OpenRoom, OpenRooms
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, registered, until
from unit.test_calls_handed_over import CALLER, ROOM, Arrivals, agents, begin


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(steps, "ARRIVE_SECONDS", 0.5)
    monkeypatch.setattr(back, "LATE_SECONDS", 1.0)
    monkeypatch.setattr(back, "LATE_LOOK_SECONDS", 0.05)


class Halting(StandInServer):
    """At one method it stops answering, before or after it has done what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.at, self.done = "", False
        self.halted = asyncio.Event()

    async def answer(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        if method == self.at and not self.done:
            await self._halt()
        answer = await super().answer(request)
        if method == self.at:
            await self._halt()
        return answer

    async def _halt(self) -> None:
        self.at = ""
        self.halted.set()
        await asyncio.Event().wait()


@pytest.fixture
async def server() -> AsyncIterator[StandInServer]:
    server = Halting()
    await server.start()
    yield server
    await server.stop()


@asynccontextmanager
async def doomed(config: GatewayConfig, server: StandInServer) -> AsyncIterator[Running]:
    """A gateway that is killed at the end of the block: it does nothing more."""
    task = asyncio.create_task(app.run(config))
    await until(lambda: task.done() or len(server.connections) == 3)
    gateway = Running(config, asyncio.Event())
    try:
        yield gateway
    finally:
        await gateway.close()
        task.cancel()
        await asyncio.wait([task], timeout=5)
        server.connections.clear()


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", ["CreateDispatch", "RemoveParticipant", "DeleteDispatch"])
async def test_killed_at_any_step_the_next_gateway_leaves_one_agent(
    config: GatewayConfig, server: Halting, at: str, done: bool
) -> None:
    arrivals = Arrivals(server)
    server.dispatched = lambda wanted, made: server.dispatch(
        wanted.room, wanted.agent_name, dispatch_id=made
    )
    async with AsyncExitStack() as stack, doomed(config, server) as gateway:
        await stack.enter_async_context(registered(gateway.workers, gateway.blue, "blue"))
        await stack.enter_async_context(registered(gateway.workers, gateway.green, "green"))
        server.people[ROOM] = [CALLER]
        assert await server.dispatch(ROOM)
        (old,) = agents(server)
        if at == "DeleteDispatch":  # as the new one is not heard
            arrivals.tracks = []
        server.at, server.done = at, done
        await begin(gateway, room=ROOM)
        await asyncio.wait_for(server.halted.wait(), 10)
        if at == "CreateDispatch" and done:
            await until(lambda: len(agents(server)) == 2)
    async with running(config, server) as gateway:
        await until(lambda: OpenRooms(config.state_file).load() == [], 10)
        (stays,) = agents(server)
        assert (stays == old) == (at != "RemoveParticipant")
        dark = [it for it in server.dispatches[ROOM].values() if it.agent_name]
        assert len(dark) == (at == "RemoveParticipant")


def test_what_is_in_the_file_comes_back_as_it_was(tmp_path: Path) -> None:
    state = tmp_path / "state"
    rooms = OpenRooms(state)
    one = OpenRoom("default", "one", "green", "agent-1", "AJ_1")
    two = OpenRoom("default", "two", "blue", "bot", None, leaving=True)
    rooms.put(one)
    rooms.put(two)
    assert OpenRooms(state).load() == [one, two]
    rooms.drop("default", "one")
    assert OpenRooms(state).load() == [two]
    assert ("default", "two") in rooms
    assert ("default", "one") not in rooms


@pytest.mark.parametrize("text", ["", "[1]", '[{"to": "red"}]', "\x00"])
def test_a_damaged_file_is_told_and_stops_nothing(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    Path(f"{state}.handover").write_text(text)
    assert OpenRooms(state).load() == []
    assert "two agents" in caplog.text
