"""The gateway's registration at the server, and how the server's messages are read."""

from __future__ import annotations

from typing import Any

import aiohttp
from google.protobuf.message import DecodeError
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve import __version__
from releve.gateway.registration_key import Key
from releve.gateway.server.errors import ServerError

PERMISSION = models.ParticipantPermission(
    can_publish=True,
    can_subscribe=True,
    can_publish_data=True,
    can_update_metadata=True,
    agent=True,
)
"""All that a worker may ask for; each job's token is written anew with its own worker's."""


def parsed(frame: aiohttp.WSMessage) -> Any:
    """The message in a frame. Raises ServerError."""
    if frame.type is not aiohttp.WSMsgType.BINARY:
        raise ServerError(f"a frame of type {frame.type.name} instead of a message")
    try:
        return proto.ServerMessage.FromString(frame.data)
    except DecodeError as error:
        raise ServerError(f"a malformed message: {error}") from error


async def register(socket: aiohttp.ClientWebSocketResponse, key: Key) -> Any:
    """Register as one worker of that key; returns the server's RegisterWorkerResponse.

    Raises ServerError when anything else comes back.
    """
    message = proto.WorkerMessage()
    message.register.type = key.kind  # type: ignore[assignment]  # the stub knows no plain number
    message.register.agent_name = key.agent_name
    message.register.namespace = key.namespace
    message.register.version = f"releve-{__version__}"
    message.register.allowed_permissions.CopyFrom(PERMISSION)
    await socket.send_bytes(message.SerializeToString())
    first = parsed(await socket.receive())
    if not first.HasField("register"):
        raise ServerError("the server's first message was not a registration")
    return first.register
