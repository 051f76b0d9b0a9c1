"""The server side: the gateway registered as one worker of one key, for as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import Any

import aiohttp
from livekit.protocol import agent as proto

from releve.gateway.auth import tokens
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.registration_key import Key
from releve.gateway.server import registration
from releve.gateway.server.errors import ServerError

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
"""Through a network that swallows packets we would wait far longer than the cut lasts."""
REPORT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 2.0
"""The workers behind us give up after about 70 s (0.7.2); the server is asked often."""


class _Unwanted(Exception):
    """Nobody behind us takes jobs of this type any more."""


class ServerConnection:
    """One registration at the server. `public` is the first of all connections: by it is known
    whether the server tells deployments apart."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        dispatcher: Dispatcher,
        key: Key,
        public: ServerConnection | None = None,
    ) -> None:
        self.key = key
        self.registered = asyncio.Event()
        self.info: proto.RegisterWorkerResponse | None = None
        self._session = session
        self._dispatcher = dispatcher
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._nudge = asyncio.Event()
        self._public = public
        self._followers: list[ServerConnection] = []
        if public is not None:
            public._followers.append(self)
        if self.wanted:
            dispatcher.metrics.connected.labels(key.agent, key).set(0)

    def describe(self) -> dict[str, object]:
        """The form of GET /state."""
        return {
            **self.key.describe(),
            "connected": self.registered.is_set(),
            "server": self.info.server_info.version if self.info else None,
        }

    @property
    def wanted(self) -> bool:
        """Room jobs always; another type only while a worker of that type is connected. Dark
        deployments only where the server knows deployments."""
        agent, kind = self.key.agent, self.key.kind
        if self.key.by_deployment and not (
            self._public is not None
            and self._public.registered.is_set()  # it may be another server than before
            and registration.knows_deployments(self._public.info)
        ):
            return False
        return kind == proto.JobType.JT_ROOM or self._dispatcher.registry.types[agent, kind] > 0

    def report_soon(self) -> None:
        """Our workers changed: tell the server now rather than at the next report."""
        self._nudge.set()

    async def send(self, message: proto.WorkerMessage) -> None:
        """Send to the server; raises ConnectionError while there is no connection."""
        if self._socket is None:
            raise ConnectionResetError("no connection to the server")
        await self._socket.send_bytes(message.SerializeToString())

    async def run(self) -> None:
        """Stay registered until cancelled, as long as we are wanted; waits grow to 2 s and are
        jittered."""
        wait = 0.1
        while True:
            while not self.wanted:
                self._nudge.clear()
                await self._nudge.wait()
            began = time.monotonic()
            try:
                await self._session_once()
            except* _Unwanted:
                log.info("not registered any more", extra=self._facts)
            except* (aiohttp.ClientError, OSError, ServerError) as lost:
                why = "; ".join(str(error) for error in lost.exceptions)
                log.warning("server lost", extra={**self._facts, "why": why})
            lasted = time.monotonic() - began
            wait = 0.1 if lasted > LONGEST_WAIT_SECONDS else min(LONGEST_WAIT_SECONDS, wait * 2)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311  jitter

    async def _session_once(self) -> None:
        config = self._dispatcher.config
        headers = {"Authorization": f"Bearer {tokens.mint_worker(self._dispatcher.ring.current)}"}
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await stack.enter_async_context(
                    self._session.ws_connect(
                        f"{config.server_url}/agent",
                        headers=headers,
                        heartbeat=HEARTBEAT_SECONDS,
                        max_msg_size=0,
                    )
                )
                self.info = await registration.register(socket, self.key)
            self._socket = socket
            self._turn(True)
            log.info("registered at the server", extra=self._facts)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._report())
                    async for frame in socket:
                        self._receive(registration.parsed(frame))
                    raise ConnectionResetError("the server closed the connection")
            finally:
                self._socket = None
                self._turn(False)
                self._dispatcher.server_lost(self)

    def _turn(self, here: bool) -> None:
        (self.registered.set if here else self.registered.clear)()
        connected = self._dispatcher.metrics.connected
        if here or self.wanted:
            connected.labels(self.key.agent, self.key).set(here)
        else:
            connected.remove(self.key.agent, self.key)
        self._dispatcher.events.publish("server", **self._facts, here=here)
        for follower in self._followers:
            follower.report_soon()

    @property
    def _facts(self) -> dict[str, str]:
        return {"agent": self.key.agent, "key": str(self.key)}

    def _receive(self, message: Any) -> None:
        kind = message.WhichOneof("message")
        once = self._dispatcher.background.once
        # In tasks of their own: one slow worker must not hold up other rooms. They begin in order.
        if kind == "availability":
            self._dispatcher.offer(self, self.key, message.availability)
        elif kind == "assignment":
            once("assignment", self._dispatcher.jobs.assign(message.assignment))
        elif kind == "termination":
            once("termination", self._dispatcher.jobs.terminate(message.termination))
        elif kind != "pong":
            log.warning("message of the server not understood", extra={"kind": str(kind)})

    async def _report(self) -> None:
        """Tell load and fullness at once, then on every change and once a second."""
        while True:
            self._nudge.clear()
            if not self.wanted:
                raise _Unwanted
            load, full = self._dispatcher.load(self.key)
            update = proto.WorkerMessage()
            update.update_worker.load = load
            update.update_worker.status = (
                proto.WorkerStatus.WS_FULL if full else proto.WorkerStatus.WS_AVAILABLE
            )
            await self.send(update)
            # Not wait_for: in Python 3.11 it may lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._nudge.wait()
