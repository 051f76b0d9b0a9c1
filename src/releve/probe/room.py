"""Getting into a room: the join token, and what to tell the operator when it is refused."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta

from livekit import api, rtc

from releve.keys import Keys

CONNECT_SECONDS = 8.0
TOKEN_LIFETIME = timedelta(hours=2)  # longer than any suite; the server renews it while connected
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class ServerError(RuntimeError):
    """The server does not let us in; the message says what to change and holds no token."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to call and with which key.

    With `agent_name` a new room is dispatched to workers of that name only (a dark colour);
    without it the server dispatches as for any user.
    """

    url: str
    keys: Keys
    agent_name: str | None = None


def join_token(server: Server, room: str, identity: str) -> str:
    """A token to join `room`, creating it if need be, with leave to publish and subscribe.

    The room ends one second after its last caller left, so that an agent's job does not linger
    for the server's default of 20 seconds.
    """
    config = api.RoomConfiguration(departure_timeout=1)
    if server.agent_name is not None:
        config.agents.append(api.RoomAgentDispatch(agent_name=server.agent_name))
    return (
        api.AccessToken(server.keys.api_key, server.keys.secret)
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .with_room_config(config)
        .with_ttl(TOKEN_LIFETIME)
        .to_jwt()
    )


async def connect(room: rtc.Room, url: str, token: str, *, subscribe: bool) -> None:
    """Join `room` within CONNECT_SECONDS. Raises ServerError."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await room.connect(url, token, rtc.RoomOptions(auto_subscribe=subscribe))
    except TimeoutError as error:
        raise ServerError(
            f"{url} did not complete a connection in {CONNECT_SECONDS:.0f} s; "
            "check that its signalling and media ports are reachable from here"
        ) from error
    except rtc.ConnectError as error:
        # `from None`: the SDK quotes a refused token in full.
        raise ServerError(refusal(url, error.message)) from None


def refusal(url: str, said: str) -> str:
    """The sentence for the operator, from the SDK's words (which may quote the token)."""
    said = _JWT.sub("<token>", said)
    if "401" in said or "403" in said:
        return f"{url} refuses the token; use the server's own key pair in the keys file ({said})"
    return f"{url} is not reachable as a LiveKit server; check --url and that it runs ({said})"
