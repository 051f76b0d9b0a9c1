"""How a real server dispatches through the gateway; workers here only speak the protocol.

It is about what LiveKit Server does without a word: whom it offers nothing, how long it waits.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from livekit import api
from livekit.protocol import agent as proto

from integration import harness
from integration.gateway_process import Gateway, call, until
from releve.gateway.server import connection
from unit.gateway_standin import StandInWorker, registered

NAME = "rooms"


class House:
    """A gateway at the real server, and workers and rooms as they are wanted."""

    def __init__(self, server: harness.LiveKit, home: Path, session: aiohttp.ClientSession) -> None:
        self.gateway = Gateway(server, home, NAME, "")
        self.server = server
        self._session = session
        self._stack = AsyncExitStack()

    async def worker(self, load: float = 0.0) -> StandInWorker:
        """One more of blue, of that load."""
        port, keys = self.gateway.ports["blue"], self.server.keys
        joining = registered(self._session, port, keys=keys, agent_name=NAME)
        worker = await self._stack.enter_async_context(joining)
        update = proto.WorkerMessage()
        update.update_worker.load = load
        await worker.send(update)
        await self.gateway.ready(workers=1)
        return worker

    async def room(self) -> str:
        """A new one that asks for an agent."""
        name = f"room-{secrets.token_hex(4)}"
        keys, http = self.server.keys, self.server.url.replace("ws", "http", 1)
        asked = api.CreateRoomRequest(name=name, agents=[api.RoomAgentDispatch(agent_name=NAME)])
        server = api.LiveKitAPI(http, keys.api_key, keys.secret, session=self._session)
        await server.room.create_room(asked)
        return name

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def house(livekit_server: harness.LiveKit, tmp_path: Path) -> AsyncIterator[House]:
    async with aiohttp.ClientSession() as session:
        house = House(livekit_server, tmp_path, session)
        await asyncio.to_thread(house.gateway.start)
        try:
            yield house
        finally:
            await house.close()
            assert house.gateway.process is not None
            await asyncio.to_thread(house.gateway.end, signal.SIGKILL)


async def test_a_busy_worker_that_has_not_refused_is_asked(house: House) -> None:
    """The server would not ask for itself; and to the gateway a burst of rooms looks like this."""
    worker = await house.worker(load=0.9)
    await asyncio.sleep(connection.REPORT_SECONDS * 1.5)  # by then the server has heard of it
    room = await house.room()
    await until("the room's job", lambda: worker.rooms == [room])


async def test_a_worker_that_stays_silent_does_not_cost_the_room_its_agent(house: House) -> None:
    silent, willing = await house.worker(load=0.1), await house.worker(load=0.5)
    silent.accepts = None
    room = await house.room()
    await until("the room's job", lambda: willing.rooms == [room])
    assert (len(silent.offered), silent.rooms) == (1, [])


async def test_a_room_that_opens_between_two_gateways_has_its_agent_from_the_second(
    house: House,
) -> None:
    first = await house.worker()
    old = house.gateway.process
    assert old is not None
    await asyncio.to_thread(house.gateway.start, True)
    await house.gateway.ready(workers=0)
    old.send(signal.SIGTERM)
    await asyncio.wait_for(first.closed.wait(), 60)
    room = await house.room()
    second = await house.worker()
    await until("the room's job", lambda: second.rooms == [room])
    assert first.rooms == []
    assert await asyncio.to_thread(old.wait, 10) == 0


async def test_the_gateway_says_why_nobody_comes_and_why_somebody_does(house: House) -> None:
    await house.gateway.ready(workers=0)

    async def why(room: str) -> str:
        (told,) = (await house.gateway.ask("GET", f"/why?room={room}"))["agents"]
        return f"{told['why']} {told['remedy']}"

    alone = await house.room()
    async with call(house.server, alone):
        said = await why(alone)
        assert "no worker could be asked" in said
        assert "no worker of blue is connected" in said
        assert "start a worker of blue" in said
    worker = await house.worker()
    served = await house.room()
    await until("the room's job", lambda: worker.rooms == [served])
    async with call(house.server, served):
        assert f"An agent is on its way: blue, worker {worker.id}" in await why(served)
    async with call(house.server, f"plain-{served}"):
        said = await why(f"plain-{served}")  # the server's own dispatch has no name
        assert "The room asks for an agent without a name, and this gateway serves no such" in said
        assert f"Dispatch agent_name '{NAME}'" in said
    assert "letter by letter" in await why(f"no-{served}")
