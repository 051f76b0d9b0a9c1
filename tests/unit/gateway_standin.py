"""Stand-ins around the gateway, so that its surface is tested without LiveKit: a server that
speaks the agent protocol and a worker that does, both on loopback."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from livekit import api
from livekit.protocol import agent as proto
from livekit.protocol import models

from ports import free_port
from releve.gateway.auth import tokens
from releve.gateway.auth.api_keys import Keyring
from releve.keys import Keys

KEYS = Keys("key", "secret-of-more-than-thirty-two-bytes")


def keyring(*pairs: Keys) -> Keyring:
    """Keys in force, from a file that is gone again."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(f"{pair.api_key}: {pair.secret}\n" for pair in pairs))
        file.flush()
        return Keyring(Path(file.name))


RING = keyring(KEYS)


def participant(identity: str, **attributes: str) -> models.ParticipantInfo:
    """An agent in a room, with the attributes it wears."""
    kind = models.ParticipantInfo.Kind.AGENT
    return models.ParticipantInfo(identity=identity, kind=kind, attributes=attributes)


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition that no event announces."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class StandInServer:
    """Speaks the server's side of the agent protocol and echoes everything else."""

    def __init__(self) -> None:
        self.port = free_port()
        self.connections: dict[str, web.WebSocketResponse] = {}
        self.registrations: list[proto.RegisterWorkerRequest] = []
        self.status: dict[str, int] = {}
        self.updates: list[proto.UpdateJobStatus] = []
        self.unexpected: list[proto.WorkerMessage] = []
        self.wishes: list[tuple[str, str]] = []
        self.given_away: set[str] = set()
        self.version = "stand-in"
        self.tells_besides: bytes | None = None  # fields of a later protocol
        self.deaf = False
        self.silent = False
        self.assigns = asyncio.Event()
        self.assigns.set()
        self.accepted: list[proto.AvailabilityResponse] = []
        self.people: dict[str, list[models.ParticipantInfo]] = {}
        self.rooms: dict[str, models.Room] = {}  # those with more than a name
        self.asked_for: list[tuple[str, str]] = []
        self.requests: list[api.CreateAgentDispatchRequest] = []  # the same, whole
        self.dispatches: dict[str, dict[str, api.AgentDispatch]] = defaultdict(dict)
        self.questions: Counter[str] = Counter()  # by method
        self.page: web.Response | None = None  # answers in place of the room service
        self.assigned: Callable[[proto.Job, proto.AvailabilityResponse], None] | None = None
        self.dispatched: Callable[[api.CreateAgentDispatchRequest, str], Any] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.removed: list[str] = []  # whom the gateway wanted to be removed
        self.stubborn: set[str] = set()  # who stays all the same
        self._answers: dict[str, asyncio.Future[proto.AvailabilityResponse]] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/agent", self._agent)
        app.router.add_get("/rtc", self._echo_socket)
        twirp = "/twirp/livekit.{service}/{method}"
        app.router.add_post(twirp, self._twirp)
        app.router.add_route("*", "/{path:.*}", self._echo)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.connections.clear()
        self.status.clear()

    async def dispatch(self, room: str, agent_name: str = "", **told: Any) -> bool:
        """Offer one job and assign it when it is taken; returns the gateway's answer."""
        whole, _, kind = agent_name.partition("/")
        name, _, deployment = whole.partition("@")
        if deployment:
            told["deployment"] = deployment
        number = next(self._numbers)
        besides = told.pop("besides", b"")  # fields of a later protocol
        told = {"dispatch_id": f"AD_{number}", **told}
        job = proto.Job(id=f"AJ_{number}", agent_name=name, **told)
        job.type = proto.JobType.Value(kind or "JT_ROOM")
        job.MergeFromString(besides)
        job.room.CopyFrom(self.rooms.get(room, models.Room(name=room)))
        answer: asyncio.Future[proto.AvailabilityResponse]
        self._answers[job.id] = answer = asyncio.get_running_loop().create_future()
        connection = self.connections[agent_name]
        offer = proto.ServerMessage(availability=proto.AvailabilityRequest(job=job))
        await connection.send_bytes(offer.SerializeToString())
        async with asyncio.timeout(5):
            said = await answer
        if said.available:
            self.accepted.append(said)
            request = api.CreateAgentDispatchRequest(
                agent_name=name,
                room=room,
                metadata=job.metadata,
                deployment=job.deployment,
                attributes=job.attributes,
            )
            self._remember(job.dispatch_id, request).state.jobs.append(job)
            token = (
                api.AccessToken(KEYS.api_key, KEYS.secret)
                .with_identity(said.participant_identity)
                .with_grants(api.VideoGrants(room_join=True, room=room, agent=True))
                .with_attributes({**said.participant_attributes, "lk.agent_name": name})
                .to_jwt()
            )
            await self.assigns.wait()
            given = proto.ServerMessage(assignment=proto.JobAssignment(job=job, token=token))
            await connection.send_bytes(given.SerializeToString())
            if self.assigned is not None:
                self.assigned(job, said)
        return said.available

    async def terminate(self, job_id: str, agent_name: str = "") -> None:
        """Tell that the agent has left the room."""
        message = proto.ServerMessage(termination=proto.JobTermination(job_id=job_id))
        await self.connections[agent_name].send_bytes(message.SerializeToString())

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        tokens.verify_worker(request.headers.get("Authorization"), RING)
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        first = proto.WorkerMessage.FromString(await connection.receive_bytes())
        name = first.register.agent_name
        if first.register.deployment:
            name += f"@{first.register.deployment}"
        if first.register.type != proto.JobType.JT_ROOM:
            name += f"/{proto.JobType.Name(first.register.type)}"
        self.registrations.append(first.register)
        if self.silent:
            async for _ in connection:
                pass
            return connection
        reply = proto.ServerMessage()
        reply.register.worker_id = f"AW_{name}"
        reply.register.server_info.version = self.version
        if self.tells_besides is not None:
            reply.register.MergeFromString(self.tells_besides)
        await connection.send_bytes(reply.SerializeToString())
        self.connections[name] = connection
        if self.deaf:
            await asyncio.Event().wait()
        async for frame in connection:
            message = proto.WorkerMessage.FromString(frame.data)
            kind = message.WhichOneof("message")
            if kind == "availability":
                self._answers[message.availability.job_id].set_result(message.availability)
            elif kind == "update_worker":
                self.status[name] = message.update_worker.status
            elif kind == "update_job":
                self.updates.append(message.update_job)
            elif kind in ("simulate_job", "migrate_job"):
                self.wishes.append((name, kind))
                self.given_away |= set(message.migrate_job.job_ids)
            else:
                self.unexpected.append(message)
        return connection

    async def _twirp(self, request: web.Request) -> web.Response:
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.Response:
        """The room service as far as the gateway asks it."""
        body, method = await request.read(), request.match_info["method"]
        if "status" in request.query:
            return await self._echo(request)
        self.questions[method] += 1
        if self.page is not None:
            page = self.page
            return web.Response(status=page.status, headers=page.headers, body=page.body)
        answer: Any
        if method == "ListRooms":
            plain = [models.Room(name=name) for name in self.people if name not in self.rooms]
            answer = api.ListRoomsResponse(rooms=[*plain, *self.rooms.values()])
        elif method == "ListParticipants":
            asked = api.ListParticipantsRequest.FromString(body)
            there = self.people.get(asked.room, [])
            answer = api.ListParticipantsResponse(participants=there)
        elif method == "ListDispatch":
            room = api.ListAgentDispatchRequest.FromString(body).room
            there = self.dispatches[room].values()
            answer = api.ListAgentDispatchResponse(agent_dispatches=there)
        elif method == "DeleteDispatch":
            gone = api.DeleteAgentDispatchRequest.FromString(body)
            if gone.dispatch_id not in self.dispatches[gone.room]:
                return web.json_response({"code": "not_found"}, status=404)
            answer = self.dispatches[gone.room].pop(gone.dispatch_id)
        elif method == "RemoveParticipant":
            who = api.RoomParticipantIdentity.FromString(body)
            self.removed.append(who.identity)
            self.leaves(who.room, who.identity)
            answer = api.RemoveParticipantResponse()
        else:
            assert method == "CreateDispatch"
            wanted = api.CreateAgentDispatchRequest.FromString(body)
            self.asked_for.append((wanted.room, wanted.agent_name))
            self.requests.append(wanted)
            answer = self._remember(f"AD_{next(self._numbers)}", wanted)
            if self.dispatched is not None:  # by itself it offers nothing
                task = asyncio.create_task(self.dispatched(wanted, answer.id))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return web.Response(body=answer.SerializeToString(), content_type="application/protobuf")

    def leaves(self, room: str, identity: str) -> None:
        """Somebody has left, or is removed."""
        if identity not in self.stubborn:
            there = self.people.get(room, [])
            self.people[room] = [it for it in there if it.identity != identity]

    def _remember(self, key: str, wanted: api.CreateAgentDispatchRequest) -> api.AgentDispatch:
        fields = {field.name: value for field, value in wanted.ListFields()}
        dispatch = api.AgentDispatch(**fields | {"id": key})
        return self.dispatches[wanted.room].setdefault(key, dispatch)

    async def _echo(self, request: web.Request) -> web.Response:
        """What arrived, told in the answer's headers and body."""
        body = await request.read()
        response = web.Response(
            status=int(request.query.get("status", "200")),
            body=body or request.raw_path.encode(),
            headers={
                "X-Method": request.method,
                "X-Path": request.raw_path,
                "X-Type": request.headers.get("Content-Type", "none"),
                "X-Auth": request.headers.get("Authorization", "none"),
            },
        )
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.body = gzip.compress(body)
            response.headers["Content-Encoding"] = "gzip"
        return response

    async def _echo_socket(self, request: web.Request) -> web.StreamResponse:
        """Echoes; a text `close <code>` closes with it, `vanish` drops the connection."""
        connection = web.WebSocketResponse(protocols=("livekit",))
        await connection.prepare(request)
        await connection.send_str(request.raw_path)
        async for frame in connection:
            if frame.type is aiohttp.WSMsgType.BINARY:
                await connection.send_bytes(frame.data)
            elif frame.data == "vanish":
                assert request.transport is not None
                request.transport.abort()
            elif frame.data.startswith("close "):
                await connection.close(code=int(frame.data.split()[1]))
            else:
                await connection.send_str(frame.data)
        self.last_close_code = connection.close_code
        return connection


@dataclass
class StandInWorker:
    """Speaks a worker's side of the agent protocol; accepts every offer unless told not to.

    With `accepts` None it stays silent until `answer` is called.
    """

    name: str
    socket: aiohttp.ClientWebSocketResponse
    id: str = ""
    server_version: str = ""
    told_besides: bytes = b""
    accepts: bool | None = True
    offered: list[str] = field(default_factory=list)
    assigned: list[proto.JobAssignment] = field(default_factory=list)
    terminated: list[str] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def rooms(self) -> list[str]:
        return [item.job.room.name for item in self.assigned]

    async def send(self, message: Any) -> None:
        await self.socket.send_bytes(message.SerializeToString())

    async def register(self, **settings: Any) -> None:
        await self.send(proto.WorkerMessage(register=proto.RegisterWorkerRequest(**settings)))
        frame = await self.socket.receive(timeout=5)
        if frame.type is not aiohttp.WSMsgType.BINARY:
            raise ConnectionResetError(f"{frame.data} {frame.extra}")
        reply = proto.ServerMessage.FromString(frame.data)
        self.id = reply.register.worker_id
        self.told_besides = frame.data
        self.server_version = reply.register.server_info.version

    async def answer(self, job_id: str, available: bool, terminate: bool = False) -> None:
        reply = proto.WorkerMessage()
        reply.availability.job_id = job_id
        reply.availability.available = available
        reply.availability.terminate = terminate
        reply.availability.participant_identity = f"agent-{self.name}"
        reply.availability.participant_attributes["own"] = "kept"
        await self.send(reply)

    async def report(self, *job_ids: str) -> None:
        """Tell which jobs it holds, as livekit-agents does from 1.4 on after it has registered."""
        message = proto.WorkerMessage()
        message.migrate_job.job_ids.extend(job_ids)
        await self.send(message)

    async def serve(self) -> None:
        async for frame in self.socket:
            message = proto.ServerMessage.FromString(frame.data)
            if message.HasField("availability"):
                self.offered.append(message.availability.job.id)
                if self.accepts is not None:
                    await self.answer(message.availability.job.id, self.accepts)
            elif message.HasField("assignment"):
                self.assigned.append(message.assignment)
            elif message.HasField("termination"):
                self.terminated.append(message.termination.job_id)
        self.closed.set()


def abort(worker: StandInWorker) -> None:
    """Break its connection without a word, as a network does."""
    connection = worker.socket._response.connection
    assert connection is not None and connection.transport is not None
    connection.transport.abort()


@asynccontextmanager
async def connected(
    session: aiohttp.ClientSession,
    port: int,
    path: str = "/agent",
    name: str = "worker",
    host: str = "127.0.0.1",
    keys: Keys = KEYS,
) -> AsyncIterator[StandInWorker]:
    """A connection that has not registered yet."""
    headers = {"Authorization": f"Bearer {tokens.mint_worker(keys)}"}
    async with session.ws_connect(f"http://{host}:{port}{path}", headers=headers) as socket:
        yield StandInWorker(name, socket)


@asynccontextmanager
async def registered(
    session: aiohttp.ClientSession,
    port: int,
    name: str = "worker",
    host: str = "127.0.0.1",
    keys: Keys = KEYS,
    **settings: Any,
) -> AsyncIterator[StandInWorker]:
    """A worker that serves until the end of the block."""
    async with connected(session, port, name=name, host=host, keys=keys) as worker:
        await worker.register(**settings)
        serving = asyncio.create_task(worker.serve())
        try:
            yield worker
        finally:
            await worker.socket.close()
            await serving
