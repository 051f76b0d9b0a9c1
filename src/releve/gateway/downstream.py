"""The worker side: agent workers of one colour register here as they would at the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web
from google.protobuf.message import DecodeError, Message
from livekit.protocol import agent as proto

from releve.gateway import tokens
from releve.gateway.dispatch import Dispatcher
from releve.gateway.policy import Colour
from releve.gateway.upstream import Upstream
from releve.gateway.workers import Worker

log = logging.getLogger(__name__)

REGISTER_SECONDS = 10.0
HEARTBEAT_SECONDS = 10.0
MAX_FRAME_BYTES = 1 << 20


class Hangup(Exception):
    """Close this worker's connection; the text is logged and told to the worker."""


class SocketLink:
    """Sends protobuf messages over one worker's WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def send(self, message: Message) -> None:
        """Raises ConnectionError when the worker is gone."""
        await self._socket.send_bytes(message.SerializeToString())


class Downstream:
    """Accepts the workers of one colour."""

    def __init__(
        self,
        colour: Colour,
        dispatcher: Dispatcher,
        upstream: Upstream,
        changed: Callable[[], None],
    ) -> None:
        self._colour = colour
        self._dispatcher = dispatcher
        self._upstream = upstream
        self._changed = changed

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One worker from its handshake to its end."""
        peer = request.remote or "?"
        try:
            tokens.verify_worker(request.headers.get("Authorization"), self._dispatcher.keys)
        except tokens.Refused as refusal:
            log.warning("worker refused", extra={"peer": peer, "why": str(refusal)})
            return web.Response(status=401, text="permission denied")
        if len(self._dispatcher.roster.workers) >= self._dispatcher.config.max_workers:
            log.warning("worker refused", extra={"peer": peer, "why": "too many workers"})
            return web.Response(status=503, text="too many workers; raise max_workers")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, max_msg_size=MAX_FRAME_BYTES)
        await socket.prepare(request)
        try:
            await self._serve(socket, peer)
        except (Hangup, DecodeError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            log.warning("worker hung up on", extra={"peer": peer, "why": why})
            await socket.close(code=1008, message=why.encode()[:120])
        except ConnectionError as error:
            log.info("worker connection lost", extra={"peer": peer, "why": str(error)})
        return socket

    async def _serve(self, socket: web.WebSocketResponse, peer: str) -> None:
        worker = await self._register(socket, peer)
        roster = self._dispatcher.roster
        roster.add(worker)
        self._changed()
        try:
            async for frame in socket:
                if frame.type is not WSMsgType.BINARY:
                    raise Hangup("only binary frames carry the worker protocol")
                await self._receive(worker, proto.WorkerMessage.FromString(frame.data))
        finally:
            roster.remove(worker)
            self._changed()

    async def _register(self, socket: web.WebSocketResponse, peer: str) -> Worker:
        async with asyncio.timeout(REGISTER_SECONDS):
            frame = await socket.receive()
            if frame.type is not WSMsgType.BINARY:
                raise Hangup("the first frame must be a registration")
            message = proto.WorkerMessage.FromString(frame.data)
            if not message.HasField("register"):
                raise Hangup("the first message must be a registration")
            register = message.register
            wanted = self._dispatcher.config.agent_name
            if register.type != proto.JobType.JT_ROOM or register.agent_name != wanted:
                raise Hangup(
                    f"this gateway serves room jobs of agent_name {wanted!r}, the worker offers "
                    f"{proto.JobType.Name(register.type)} of {register.agent_name!r}"
                )
            await self._upstream.registered.wait()
        info = self._upstream.info
        assert info is not None
        worker = Worker(
            self._dispatcher.roster.next_id(self._colour),
            self._colour,
            SocketLink(socket),
            register,
            peer,
        )
        reply = proto.ServerMessage()
        reply.register.worker_id = worker.id
        reply.register.server_info.CopyFrom(info.server_info)
        await worker.link.send(reply)
        return worker

    async def _receive(self, worker: Worker, message: proto.WorkerMessage) -> None:
        kind = message.WhichOneof("message")
        if kind == "availability":
            waiting = worker.answers.get(message.availability.job_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        elif kind == "update_job":
            await self._dispatcher.update_job(message)
        elif kind == "update_worker":
            self._update(worker, message.update_worker)
        elif kind == "ping":
            reply = proto.ServerMessage()
            reply.pong.last_timestamp = message.ping.timestamp
            reply.pong.timestamp = int(time.time() * 1000)
            await worker.link.send(reply)
        elif kind == "register":
            raise Hangup("a worker registers once")
        else:  # the server closes a connection on what it does not know, and this one is shared
            log.warning("message not passed on", extra={"worker": worker.id, "kind": str(kind)})

    def _update(self, worker: Worker, update: proto.UpdateWorkerStatus) -> None:
        was_full = worker.full
        worker.load = min(1.0, max(0.0, update.load))
        if update.HasField("status"):
            worker.full = update.status == proto.WorkerStatus.WS_FULL
        if worker.full != was_full:
            self._changed()
