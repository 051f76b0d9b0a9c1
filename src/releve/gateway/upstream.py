"""The server side: the gateway registered as one worker of one key, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any

import aiohttp
from google.protobuf.message import DecodeError
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve import __version__
from releve.gateway import tokens
from releve.gateway.dispatch import Dispatcher
from releve.gateway.policy import Colour

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
REPORT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 2.0
"""The workers behind us give up after about 70 s (0.7.2); the server is asked often."""


class Upstream:
    """One registration at the server: key (agent_name, namespace) and the colours it serves."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        dispatcher: Dispatcher,
        agent_name: str,
        colours: Callable[[str], tuple[Colour, ...]],
        load: Callable[[], tuple[float, bool]],
    ) -> None:
        self.agent_name = agent_name
        self.registered = asyncio.Event()
        self.info: proto.RegisterWorkerResponse | None = None
        self._session = session
        self._dispatcher = dispatcher
        self._colours = colours
        self._load = load
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._nudge = asyncio.Event()
        self._offers: set[asyncio.Task[None]] = set()

    def describe(self) -> dict[str, object]:
        """The form of GET /state."""
        return {
            "agent_name": self.agent_name,
            "namespace": self._dispatcher.config.namespace,
            "connected": self.registered.is_set(),
            "server": self.info.server_info.version if self.info else None,
        }

    def report_soon(self) -> None:
        """Our workers changed: tell the server now rather than at the next report."""
        self._nudge.set()

    async def send(self, message: proto.WorkerMessage) -> None:
        """Send to the server; raises ConnectionError while there is no connection."""
        if self._socket is None:
            raise ConnectionResetError("no connection to the server")
        await self._socket.send_bytes(message.SerializeToString())

    async def run(self) -> None:
        """Stay registered until cancelled; waits grow to 2 s and are jittered."""
        wait = 0.1
        while True:
            began = time.monotonic()
            try:
                await self._session_once()
            except* (aiohttp.ClientError, OSError, DecodeError) as lost:
                why = "; ".join(str(error) for error in lost.exceptions)
                log.warning("server lost", extra={"key": self.agent_name, "why": why})
            lasted = time.monotonic() - began
            wait = 0.1 if lasted > LONGEST_WAIT_SECONDS else min(LONGEST_WAIT_SECONDS, wait * 2)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  jitter

    async def _session_once(self) -> None:
        config = self._dispatcher.config
        headers = {"Authorization": f"Bearer {tokens.mint_worker(self._dispatcher.keys)}"}
        async with self._session.ws_connect(
            f"{config.server_url}/agent",
            headers=headers,
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=0,
        ) as socket:
            await socket.send_bytes(self._registration().SerializeToString())
            answer = await socket.receive()
            if answer.type is not aiohttp.WSMsgType.BINARY:
                raise ConnectionResetError("the server closed instead of registering us")
            first = proto.ServerMessage.FromString(answer.data)
            if not first.HasField("register"):
                raise ConnectionResetError("the server's first message was not a registration")
            self.info = first.register
            self._socket = socket
            self.registered.set()
            log.info("registered at the server", extra={"key": self.agent_name})
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._report())
                    async for frame in socket:
                        if frame.type is aiohttp.WSMsgType.BINARY:
                            await self._receive(proto.ServerMessage.FromString(frame.data))
                    raise ConnectionResetError("the server closed the connection")
            finally:
                self.registered.clear()
                self._socket = None
                for offer in self._offers:  # the server has moved on: nobody waits for the answers
                    offer.cancel()

    def _registration(self) -> proto.WorkerMessage:
        message = proto.WorkerMessage()
        register = message.register
        register.type = proto.JobType.JT_ROOM
        register.agent_name = self.agent_name
        register.namespace = self._dispatcher.config.namespace
        register.version = f"releve-{__version__}"
        register.allowed_permissions.CopyFrom(
            models.ParticipantPermission(
                can_publish=True,
                can_subscribe=True,
                can_publish_data=True,
                can_update_metadata=True,
                agent=True,
            )
        )
        return message

    async def _receive(self, message: Any) -> None:
        kind = message.WhichOneof("message")
        if kind == "availability":
            # In a task of its own: one slow worker must not hold up other rooms.
            offer = asyncio.create_task(self._offer(message.availability))
            self._offers.add(offer)
            offer.add_done_callback(self._offers.discard)
        elif kind == "assignment":
            await self._dispatcher.assign(message.assignment)
        elif kind == "termination":
            await self._dispatcher.terminate(message.termination)

    async def _offer(self, request: proto.AvailabilityRequest) -> None:
        try:
            await self._dispatcher.offer(self, request, self._colours)
        except ConnectionError:
            log.warning("server left during an offer", extra={"job": request.job.id})

    async def _report(self) -> None:
        """Tell load and fullness at once, then on every change and once a second."""
        while True:
            self._nudge.clear()
            load, full = self._load()
            update = proto.WorkerMessage()
            update.update_worker.load = load
            update.update_worker.status = (
                proto.WorkerStatus.WS_FULL if full else proto.WorkerStatus.WS_AVAILABLE
            )
            await self.send(update)
            try:
                await asyncio.wait_for(self._nudge.wait(), REPORT_SECONDS)
            except TimeoutError:
                continue
