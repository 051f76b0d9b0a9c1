"""The worker side: agent workers of one colour register here as they would at the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web
from google.protobuf.message import DecodeError, Message
from livekit.protocol import agent as proto

from releve.gateway.auth import tokens
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import Colour
from releve.gateway.registration_key import JOB_TYPES
from releve.gateway.server.connection import ServerConnection
from releve.gateway.workers import limits
from releve.gateway.workers.limits import Admission, TokenBucket
from releve.gateway.workers.requests import WorkerRequests

log = logging.getLogger(__name__)

REGISTER_SECONDS = 10.0
HEARTBEAT_SECONDS = 10.0
MAX_FRAME_BYTES = 1 << 20
MAX_REGISTRATION_BYTES = 1 << 12
"""It is kept for as long as the worker stays, and told to whoever asks for the state."""
SEND_SECONDS = 1.0
HANG_UP_SECONDS = 0.3
BY_ITSELF = (WSCloseCode.OK, WSCloseCode.GOING_AWAY)
"""With such a code a worker ends its connection; without one it broke."""


class ProtocolError(Exception):
    """Close this worker's connection; the text is logged and told to the worker."""


class SocketLink:
    """Sends protobuf messages over one worker's WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request) -> None:
        self._socket = socket
        self._request = request

    async def send(self, message: Message) -> None:
        """Raises ConnectionError when the worker is gone, or does not read what it is sent."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_bytes(message.SerializeToString())
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ConnectionResetError("worker does not read") from None


class WorkerEndpoint:
    """Accepts the workers of one colour."""

    def __init__(
        self,
        colour: Colour,
        dispatcher: Dispatcher,
        upstream: ServerConnection,
        requests: WorkerRequests,
        doors: Admission,
        changed: Callable[[], None],
    ) -> None:
        self._colour = colour
        self._doors = doors
        self._dispatcher = dispatcher
        self._upstream = upstream
        self._requests = requests
        self._changed = changed
        self._sockets: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One worker from its handshake to its end."""
        peer = request.remote or "?"
        try:
            # First of all: many workers may come by one address, and only some of them be wrong.
            tokens.verify_worker(request.headers.get("Authorization"), self._dispatcher.ring)
        except tokens.Refused as refusal:
            if self._doors.refusals.too_many(peer):
                return web.Response(status=429, text="refused too often; try again in a minute")
            self._doors.refusals.note(peer)
            log.warning("worker refused", extra={"peer": peer, "why": str(refusal)})
            return web.Response(status=401, text="permission denied")
        if self._doors.full:
            log.warning("worker refused", extra={"peer": peer, "why": "too many workers"})
            return web.Response(status=503, text="too many workers; raise max_workers")
        # No compression: it would cost a quarter of a megabyte for each worker.
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_FRAME_BYTES, compress=False
        )
        self._doors.inside += 1
        self._sockets.add(socket)
        try:
            await socket.prepare(request)
            await self._serve(socket, request, peer)
        except (ProtocolError, DecodeError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            log.warning("worker hung up on", extra={"peer": peer, "why": why})
            await socket.close(code=1008, message=why.encode()[:120])
        except ConnectionError as error:
            log.info("worker connection lost", extra={"peer": peer, "why": str(error)})
        finally:
            self._doors.inside -= 1
            self._sockets.discard(socket)
        return socket

    async def hang_up(self) -> None:
        """Send everybody away; whoever does not answer in time is cut off later."""
        leaving = [
            asyncio.create_task(socket.close(code=WSCloseCode.SERVICE_RESTART))
            for socket in self._sockets
        ]
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=HANG_UP_SECONDS)
            for task in late:
                task.cancel()

    async def _serve(self, socket: web.WebSocketResponse, request: web.Request, peer: str) -> None:
        worker = await self._register(socket, request, peer)
        frames = TokenBucket(limits.FRAMES_PER_SECOND, limits.FRAMES_AT_ONCE)
        presence = self._dispatcher.presence
        presence.join(worker)
        self._changed()
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.BINARY:
                    raise ProtocolError("only binary frames carry the worker protocol")
                if not frames.take():
                    raise ProtocolError("too many messages; send fewer than 1000 a second")
                await self._receive(worker, proto.WorkerMessage.FromString(frame.data))
        finally:
            presence.leave(worker, closed=socket.close_code in BY_ITSELF)
            self._changed()

    async def _register(
        self, socket: web.WebSocketResponse, request: web.Request, peer: str
    ) -> Worker:
        async with asyncio.timeout(REGISTER_SECONDS):
            frame = await socket.receive()
            if frame.type is not WSMsgType.BINARY:
                raise ProtocolError("the first frame must be a registration")
            if len(frame.data) > MAX_REGISTRATION_BYTES:
                raise ProtocolError("the registration is larger than 4 kB")
            message = proto.WorkerMessage.FromString(frame.data)
            if not message.HasField("register"):
                raise ProtocolError("the first message must be a registration")
            register = message.register
            agent = self._agent_of(register)
            if register.type not in JOB_TYPES:
                raise ProtocolError(f"no such job type: {register.type}")
            if self._upstream.info is None:  # later on, workers may come while the server is away
                await self._upstream.registered.wait()
        info = self._upstream.info
        assert info is not None
        worker = Worker(
            "",
            agent,
            self._colour,
            SocketLink(socket, request),
            register,
            peer,
            most_calls=self._dispatcher.config.agents[agent].calls_per_worker,
        )
        presence = self._dispatcher.presence
        worker.id = presence.id_for(worker)
        reply = proto.ServerMessage()
        reply.register.CopyFrom(info)  # with what later servers may tell besides
        reply.register.worker_id = worker.id
        try:
            await worker.link.send(reply)
        except BaseException:
            presence.not_back(worker)
            raise
        return worker

    def _agent_of(self, register: proto.RegisterWorkerRequest) -> str:
        config = self._dispatcher.config
        agent = config.agent_of(register.agent_name, register.namespace, register.deployment)
        if agent is None:
            names = ", ".join(sorted({repr(key.agent_name) for key in config.agents.values()}))
            raise ProtocolError(
                f"this gateway serves agent_name {names}, the worker offers "
                f"{register.agent_name!r} in namespace {register.namespace!r}"
                + (f", deployment {register.deployment!r}" if register.deployment else "")
            )
        return agent

    async def _receive(self, worker: Worker, message: proto.WorkerMessage) -> None:
        kind = message.WhichOneof("message")
        if kind == "availability":
            self._dispatcher.presence.heard(worker, message)
        elif kind == "update_job":
            await self._dispatcher.jobs.update(worker, message)
        elif kind == "update_worker":
            self._update(worker, message.update_worker)
        elif kind == "simulate_job":
            await self._requests.simulate(worker, message)
        elif kind == "migrate_job":
            await self._requests.migrate(worker, message)
        elif kind == "ping":
            reply = proto.ServerMessage()
            reply.pong.last_timestamp = message.ping.timestamp
            reply.pong.timestamp = int(time.time() * 1000)
            await worker.link.send(reply)
        elif kind == "register":
            raise ProtocolError("a worker registers once")
        else:  # the server closes a connection on what it does not know, and this one is shared
            log.warning("message not passed on", extra={"worker": worker.id, "kind": str(kind)})

    def _update(self, worker: Worker, update: proto.UpdateWorkerStatus) -> None:
        load = min(1.0, max(0.0, update.load))  # also of a load that is no number
        full = worker.full
        if update.HasField("status"):
            full = update.status == proto.WorkerStatus.WS_FULL
        if self._dispatcher.presence.report(worker, load, full):
            self._changed()
