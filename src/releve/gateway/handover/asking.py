"""The old agent is asked for its context.

The gateway is in no room: a process of its own goes in for as long as it takes, hidden, so that
neither media nor a crash of the SDK are the gateway's.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import secrets
import sys
from collections.abc import AsyncIterator

from livekit import api

from releve.gateway.auth.api_keys import Keyring
from releve.gateway.dispatch.registry import Registry
from releve.gateway.handover import context
from releve.gateway.handover.model import Call, Context
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

JOIN_SECONDS = 15.0
"""How long the listener may take to start and join; the agent's own time begins after that."""
TOPIC = "releve.handover"
"""Of an answer that comes as a data message."""
NO_RPC = ("0.",)
"""Versions of livekit-agents whose SDK may have no RPC."""
LONGEST_LINE = 1 << 17


class Asking:
    """Asks by RPC; where the SDK may have none, by the participant's metadata as well.

    livekit 0.11 gets nothing that a sender says whom it cannot see, and nothing that the server
    says by itself; of its own metadata it is told.
    """

    def __init__(
        self, server_url: str, ring: Keyring, registry: Registry, room_service: RoomService
    ) -> None:
        self._url = server_url
        self._ring = ring
        self._registry = registry
        self._room_service = room_service

    async def ask(self, call: Call, seconds: float) -> Context | None:
        """What the agent tells, or None; why not is in the log."""
        try:
            async with asyncio.timeout(JOIN_SECONDS + seconds):
                answer = await self._ask(call, seconds)
        except (TimeoutError, OSError, ValueError, ServerError) as error:
            why = str(error) or type(error).__name__
            log.warning("context not asked for", extra={"room": call.room, "why": why})
            return None
        told = context.checked(answer)
        if told is None:
            why = "no answer" if answer is None else "no JSON object, or longer than 15,000 bytes"
            log.info("no context", extra={"room": call.room, "why": why})
        return told

    async def _ask(self, call: Call, seconds: float) -> object:
        listener = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "releve.gateway.handover.listener"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LONGEST_LINE,
        )
        assert listener.stdin is not None and listener.stdout is not None
        try:
            told = {
                "url": self._url,
                "token": self._token(call.room),
                "agent": call.identity,
                "topic": TOPIC,
                "seconds": seconds,
            }
            listener.stdin.write(json.dumps(told).encode() + b"\n")
            await listener.stdin.drain()
            sid = json.loads(await listener.stdout.readline())["sid"]
            async with self._question(call, sid):
                return json.loads(await listener.stdout.readline())["answer"]
        finally:
            with contextlib.suppress(ProcessLookupError):
                listener.kill()
            await listener.wait()

    @contextlib.asynccontextmanager
    async def _question(self, call: Call, sid: str) -> AsyncIterator[None]:
        """Inside the block the agent's metadata asks; after it they are as they were."""
        job = self._registry.jobs.get(call.job or "")
        if job is None or not job.worker.register.version.startswith(NO_RPC):
            yield
            return
        people = await self._room_service.participants(call.room)
        before = next((it.metadata for it in people if it.identity == call.identity), "")
        question = json.dumps({TOPIC: {"ask": "context", "reply_to": sid}})
        await self._room_service.set_metadata(call.room, call.identity, question)
        try:
            yield
        finally:
            await self._room_service.set_metadata(call.room, call.identity, before)

    def _token(self, room: str) -> str:
        keys = self._ring.current
        # It subscribes to nothing; without the permission the server sends it no data either.
        grants = api.VideoGrants(room_join=True, room=room, hidden=True, can_publish=False)
        return (
            api.AccessToken(keys.api_key, keys.secret)
            .with_identity(f"releve-handover-{secrets.token_hex(4)}")
            .with_kind("egress")  # it keeps no room open, and no agent is sent to it
            .with_ttl(datetime.timedelta(minutes=1))
            .with_grants(grants)
            .to_jwt()
        )
