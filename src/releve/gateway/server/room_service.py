"""Who is in the rooms, by the server's own word."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import asdict, dataclass

import aiohttp
from livekit import api
from livekit.protocol import models

from releve.gateway.auth.api_keys import Keyring
from releve.gateway.dispatch import agent_attributes
from releve.gateway.policy import Colour

QUESTIONS_AT_ONCE = 8
"""However many calls a broken connection makes us ask about."""
ServerError = (api.TwirpError, aiohttp.ClientError, TimeoutError, OSError)
"""What asking the server may raise."""


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent in a room; `agent`, `colour` and `worker` are None when it came past the gateway."""

    room: str
    identity: str
    agent: str | None
    colour: Colour | None
    worker: str | None

    def describe(self) -> dict[str, object]:
        """The form of GET /calls."""
        return asdict(self)


class RoomService:
    """Asks the server. Every method raises one of `ServerError` when it does not answer."""

    def __init__(self, session: aiohttp.ClientSession, server_url: str, ring: Keyring) -> None:
        self._session = session
        self._url = server_url
        self._ring = ring
        self._gate = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    def _api(self) -> api.LiveKitAPI:
        keys = self._ring.current
        return api.LiveKitAPI(self._url, keys.api_key, keys.secret, session=self._session)

    async def agents(self) -> list[Agent]:
        """Every agent in every room."""

        async def of(room: str) -> list[Agent]:
            return [_agent(room, who) for who in await self.people(room) if is_agent(who)]

        found = await asyncio.gather(*(of(room.name) for room in await self.rooms()))
        return list(itertools.chain.from_iterable(found))

    async def rooms(self) -> list[models.Room]:
        """Every room."""
        return list((await self._api().room.list_rooms(api.ListRoomsRequest())).rooms)

    async def people(self, room: str) -> list[models.ParticipantInfo]:
        """Everybody in a room; nobody when the room is gone."""
        asked = api.ListParticipantsRequest(room=room)
        async with self._gate:
            try:
                answer = await self._api().room.list_participants(asked)
            except api.TwirpError as error:
                if error.code == api.TwirpErrorCode.NOT_FOUND:
                    return []
                raise
        return list(answer.participants)

    async def dispatch(self, room: str, agent_name: str) -> None:
        """Ask the server for an agent in a room that is there."""
        wanted = api.CreateAgentDispatchRequest(room=room, agent_name=agent_name)
        await self._api().agent_dispatch.create_dispatch(wanted)


def is_agent(who: models.ParticipantInfo) -> bool:
    """Whether a participant is an agent."""
    return bool(who.kind == models.ParticipantInfo.Kind.AGENT)


def _agent(room: str, who: models.ParticipantInfo) -> Agent:
    worn = who.attributes
    colour = agent_attributes.colour(worn)
    return Agent(
        room,
        who.identity,
        worn.get(agent_attributes.AGENT),
        colour,
        worn.get(agent_attributes.WORKER),
    )
