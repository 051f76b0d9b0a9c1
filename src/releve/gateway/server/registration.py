"""The gateway's first word to the server, and what must come back."""

from __future__ import annotations

from typing import Any

import aiohttp
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve import __version__
from releve.gateway.registration_key import Key

PERMISSION = models.ParticipantPermission(
    can_publish=True,
    can_subscribe=True,
    can_publish_data=True,
    can_update_metadata=True,
    agent=True,
)
"""All that a worker may ask for; each job's token is written anew with its own worker's."""


async def register(socket: aiohttp.ClientWebSocketResponse, key: Key) -> Any:
    """Register as one worker of that key; returns the server's RegisterWorkerResponse.

    Raises ConnectionResetError when the server does not take it.
    """
    message = proto.WorkerMessage()
    message.register.type = key.kind  # type: ignore[assignment]  # the stub knows no plain number
    message.register.agent_name = key.agent_name
    message.register.namespace = key.namespace
    message.register.version = f"releve-{__version__}"
    message.register.allowed_permissions.CopyFrom(PERMISSION)
    await socket.send_bytes(message.SerializeToString())
    answer = await socket.receive()
    if answer.type is not aiohttp.WSMsgType.BINARY:
        raise ConnectionResetError("the server closed instead of registering us")
    first = proto.ServerMessage.FromString(answer.data)
    if not first.HasField("register"):
        raise ConnectionResetError("the server's first message was not a registration")
    return first.register
