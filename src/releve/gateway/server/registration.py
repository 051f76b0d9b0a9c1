"""The gateway's registration at the server, and how the server's messages are read."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
from google.protobuf.message import DecodeError
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve import __version__
from releve.gateway.registration_key import Key
from releve.gateway.server.errors import ServerError

DEPLOYMENTS_FROM = (1, 12)
"""An older server ignores a deployment: the key would be the one without."""
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
    message.register.deployment = key.deployment
    message.register.version = f"releve-{__version__}"
    message.register.allowed_permissions.CopyFrom(PERMISSION)
    await socket.send_bytes(message.SerializeToString())
    first = parsed(await socket.receive())
    if not first.HasField("register"):
        raise ServerError("the server's first message was not a registration")
    if key.deployment and not knows_deployments(first.register):
        version = first.register.server_info.version
        raise ServerError(
            f"LiveKit Server {version} knows no deployments (they come with v1.12): take "
            f"{key.deployment!r} out of the settings of agent {key.agent}"
        )
    return first.register


def knows_deployments(info: proto.RegisterWorkerResponse | None) -> bool:
    """Whether the server that answered a registration with this tells deployments apart."""
    found = re.match(r"v?(\d+)\.(\d+)", info.server_info.version) if info is not None else None
    return found is not None and (int(found[1]), int(found[2])) >= DEPLOYMENTS_FROM
