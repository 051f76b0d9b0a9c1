"""Getting into a room: the join token, and what to tell the operator when it is refused."""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
from livekit import api, rtc
from livekit.protocol import rtc as protocol

from releve.keys import Keys
from releve.probe.caller.profile import Profile

# The SDK logs each refused attempt with its token in full; ServerError says it without.
logging.getLogger("livekit").setLevel(logging.CRITICAL)

CONNECT_SECONDS = 8.0
DEPARTURE_SECONDS = 1  # until a room ends whose last caller left; the server's default is 20
EMPTY_SECONDS = 30  # until a room ends that nobody came into
TOKEN_LIFETIME = timedelta(hours=2)  # longer than any suite; the server renews it while connected
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class ServerError(RuntimeError):
    """The server does not let us in; the message says what to change and holds no token.

    `refused`: it answered, and the answer was that the token is no good.
    """

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Server:
    """Where to call and with which key.

    With `agent_name` a new room is dispatched to workers of that name only (an agent that has one,
    or a dark colour); without it the server dispatches as for any user. `profile`: how our calls
    look to the agent.
    """

    url: str
    keys: Keys
    agent_name: str | None = None
    profile: Profile = field(default_factory=Profile)

    def new_room(self, suite: str) -> str:
        """A room's name that no other call has."""
        return self.profile.new_room(suite)


def join_token(
    server: Server,
    room: str,
    identity: str,
    lifetime: timedelta = TOKEN_LIFETIME,
    *,
    as_agent: bool = False,
    join: bool = True,
) -> str:
    """A token to join `room`, creating it if need be, with leave to publish and subscribe.

    A negative `lifetime` makes one that is expired; without `join` it lacks the leave to join.
    `as_agent`: of an agent's kind, with an agent's leave to change its own attributes.
    The room ends DEPARTURE_SECONDS after its last caller left: an agent's job does not linger.
    """
    profile = server.profile
    config = api.RoomConfiguration(departure_timeout=DEPARTURE_SECONDS, agents=_agents(server))
    return (
        api.AccessToken(server.keys.api_key, server.keys.secret)
        .with_identity(identity)
        .with_kind("agent" if as_agent else "standard")
        .with_grants(
            api.VideoGrants(room_join=join, room=room, can_update_own_metadata=as_agent or None)
        )
        .with_metadata(profile.metadata)
        .with_attributes(dict(profile.all_attributes))
        .with_room_config(config)
        .with_ttl(lifetime)
        .to_jwt()
    )


def _agents(server: Server) -> list[api.RoomAgentDispatch]:
    """Whom a new room asks for; empty where the server dispatches as for any user."""
    name, told = server.agent_name, server.profile.dispatch_metadata
    if name is None and not told:
        return []
    return [api.RoomAgentDispatch(agent_name=name or "", metadata=told)]


async def make_room(server: Server, room: str) -> None:
    """Make the room before its caller joins, where it is to have metadata.

    A token cannot bring it everywhere: v1.8.4 refuses one that does. Raises ServerError.
    """
    if not server.profile.room_metadata:
        return
    asked = api.CreateRoomRequest(
        name=room,
        metadata=server.profile.room_metadata,
        empty_timeout=EMPTY_SECONDS,
        departure_timeout=DEPARTURE_SECONDS,
        agents=_agents(server),
    )
    url = server.url.replace("ws", "http", 1)
    try:
        async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as client:
            await client.room.create_room(asked)
    except (api.TwirpError, aiohttp.ClientError) as error:
        raise refusal(server.url, str(error)) from None


async def connect(
    room: rtc.Room, url: str, token: str, *, subscribe: bool, relay: bool = False
) -> None:
    """Join `room` within CONNECT_SECONDS, with `relay` by its TURN servers only.

    Raises ServerError.
    """
    # An empty list of ICE servers stands for those that the server offers.
    by_turn = rtc.RtcConfiguration(ice_transport_type=rtc.IceTransportType.TRANSPORT_RELAY)
    options = rtc.RoomOptions(auto_subscribe=subscribe, rtc_config=by_turn if relay else None)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await room.connect(url, token, options)
    except TimeoutError as error:
        raise ServerError(
            f"{url} did not complete a connection in {CONNECT_SECONDS:.0f} s; "
            "check that its signalling and media ports are reachable from here"
        ) from error
    except rtc.ConnectError as error:
        # `from None`: the SDK quotes a refused token in full.
        raise refusal(url, error.message) from None


async def first_answer(url: str, token: str, room: str = "") -> protocol.JoinResponse:
    """What the server says to whoever joins, without media; with `room`, that one is asked for.

    The caller has left again when this returns. Raises ServerError.
    """
    asked = {"access_token": token, "protocol": "12", "auto_subscribe": "0"}
    if room:
        asked["room"] = room
    try:
        async with (
            asyncio.timeout(CONNECT_SECONDS),
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url.rstrip('/')}/rtc", params=asked) as socket,
        ):
            answer = protocol.SignalResponse.FromString(await socket.receive_bytes())
            leave = protocol.SignalRequest(leave=protocol.LeaveRequest())
            await socket.send_bytes(leave.SerializeToString())
    except aiohttp.WSServerHandshakeError as error:
        raise refusal(url, f"{error.status} {error.message}") from None
    except (aiohttp.ClientError, OSError, TimeoutError, TypeError) as error:
        raise refusal(url, str(error) or "no answer in time") from None
    if answer.WhichOneof("message") != "join":
        raise refusal(url, f"its first answer is {answer.WhichOneof('message')}")
    return answer.join


def refusal(url: str, said: str) -> ServerError:
    """The error for the operator, from the SDK's words (which may quote the token)."""
    said = _JWT.sub("<token>", " ".join(said.split()))
    if "401" in said or "403" in said:
        return ServerError(
            f"{url} refuses the token; use the server's own key pair in the keys file ({said})",
            refused=True,
        )
    return ServerError(
        f"{url} is not reachable as a LiveKit server; check --url and that it runs ({said})"
    )
