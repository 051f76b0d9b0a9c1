"""A server and workers that only speak the protocol, around gateways in containers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from docker.models.networks import Network
from livekit.protocol import agent as proto

from unit.gateway_standin import registered


@dataclass(eq=False)
class Door:
    """One gateway's registration at the server, under the public key."""

    socket: web.WebSocketResponse
    load: float = 1.0
    free: bool = False
    answers: dict[str, asyncio.Future[bool]] = field(default_factory=dict)


class Server:
    """Shares rooms among those that registered by LiveKit's own rule: the least loaded that is free
    is asked, after a rejection the next; when nobody is free the room stays silent for good."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.url = ""
        self.doors: list[Door] = []
        self.silent: list[str] = []
        self.served: list[str] = []
        self._numbers = itertools.count(1)

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/agent", self._agent)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, self.host, 0).start()
        self.url = f"ws://{self.host}:{runner.addresses[0][1]}"
        return runner

    async def rooms(self, every: float) -> None:
        """Open one after the other until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._room(f"room-{next(self._numbers)}"))
                await asyncio.sleep(every)

    async def _room(self, room: str) -> None:
        asked: set[Door] = set()
        while left := [door for door in self.doors if door.free and door not in asked]:
            door = min(left, key=lambda door: door.load)
            asked.add(door)
            if await self._offer(door, room):
                self.served.append(room)
                return
        self.silent.append(room)

    async def _offer(self, door: Door, room: str) -> bool:
        job = proto.Job(id=f"AJ_{room}_{next(self._numbers)}")
        job.room.name = room
        door.answers[job.id] = said = asyncio.get_running_loop().create_future()
        offer = proto.ServerMessage(availability=proto.AvailabilityRequest(job=job))
        with contextlib.suppress(ConnectionError):
            await door.socket.send_bytes(offer.SerializeToString())
            if not await asyncio.wait_for(said, 10):
                return False
            given = proto.ServerMessage(assignment=proto.JobAssignment(job=job, token="t"))
            await door.socket.send_bytes(given.SerializeToString())
            return True
        return False

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        first = proto.WorkerMessage.FromString(await socket.receive_bytes())
        reply = proto.ServerMessage()
        reply.register.worker_id = "AW"
        await socket.send_bytes(reply.SerializeToString())
        door = Door(socket)
        if not first.register.agent_name:
            self.doors.append(door)
        async for frame in socket:
            message = proto.WorkerMessage.FromString(frame.data)
            if message.HasField("availability"):
                answer = door.answers.pop(message.availability.job_id)
                answer.set_result(message.availability.available)
            elif message.HasField("update_worker"):
                door.load = message.update_worker.load
                door.free = message.update_worker.status == proto.WorkerStatus.WS_AVAILABLE
        door.free = False
        for answer in door.answers.values():
            answer.set_result(False)
        return socket


class Worker:
    """Connects to whoever has the gateway's name in the network, again at once when hung up on;
    without a network to whoever listens on loopback."""

    def __init__(self, network: Network | None, port: int) -> None:
        self.connected = 0
        self._network = network
        self._port = port

    async def run(self) -> None:
        """Until cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                for address in await asyncio.to_thread(self._addresses):
                    with contextlib.suppress(OSError, aiohttp.ClientError):
                        async with registered(session, self._port, host=address) as worker:
                            self.connected += 1
                            await worker.closed.wait()

    def _addresses(self) -> list[str]:
        if self._network is None:
            return ["127.0.0.1"]
        self._network.reload()
        there = self._network.attrs["Containers"].values()
        return [item["IPv4Address"].partition("/")[0] for item in there]
