"""LiveKit Server's API: rooms, participants, dispatches.

Each request has a deadline, each answer is checked.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from google.protobuf.message import DecodeError
from livekit import api
from livekit.protocol import models
from pydantic import BaseModel, ValidationError

from releve.gateway.auth.api_keys import Keyring
from releve.gateway.server.errors import NotFound, ServerError
from releve.gateway.server.participants import Agent, agents_of

T = TypeVar("T")

REQUESTS_AT_ONCE = 8
"""However many calls a broken connection makes us ask about."""
ANSWER_SECONDS = 5.0
PROTOBUF = "application/protobuf"


class _Failure(BaseModel):
    """A failed call as Twirp tells it."""

    code: str
    msg: str = ""
    meta: dict[str, str] | None = None


async def _only_livekit(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Raises ServerError for whatever else may answer there, as a proxy's page: without this an
    empty page would mean that there are no rooms."""
    answer = await handler(request)
    if answer.status == 200:
        if answer.content_type != PROTOBUF:
            answer.close()
            raise ServerError(f"not LiveKit Server: {answer.content_type} instead of {PROTOBUF}")
        return answer
    try:
        _Failure.model_validate_json(await answer.read())
    except ValidationError:
        raise ServerError(f"not LiveKit Server: HTTP status {answer.status}") from None
    return answer


class RoomService:
    """Asks the server. Every method raises ServerError when it gives no usable answer in time."""

    def __init__(self, session: aiohttp.ClientSession, server_url: str, ring: Keyring) -> None:
        self._session = aiohttp.ClientSession(
            connector=session.connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_only_livekit,),
        )
        self._url = server_url
        self._ring = ring
        self._gate = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def agents(self) -> list[Agent]:
        """Every agent in every room."""

        async def of(room: str) -> list[Agent]:
            return agents_of(room, await self.participants(room))

        found = await asyncio.gather(*(of(room.name) for room in await self.rooms()))
        return list(itertools.chain.from_iterable(found))

    async def rooms(self) -> list[models.Room]:
        """Every room."""
        answer = await self._ask(lambda it: it.room.list_rooms(api.ListRoomsRequest()))
        return list(answer.rooms)

    async def room(self, name: str) -> models.Room | None:
        """One room; None when it is not there."""
        asked = api.ListRoomsRequest(names=[name])
        answer = await self._ask(lambda it: it.room.list_rooms(asked))
        return next((room for room in answer.rooms if room.name == name), None)

    async def participants(self, room: str) -> list[models.ParticipantInfo]:
        """Everybody in a room; nobody when the room is gone."""
        asked = api.ListParticipantsRequest(room=room)
        try:
            answer = await self._ask(lambda it: it.room.list_participants(asked))
        except NotFound:
            return []
        return list(answer.participants)

    async def remove_participant(self, room: str, identity: str) -> None:
        """Send somebody out of a room; whoever is not there is no mistake."""
        asked = api.RoomParticipantIdentity(room=room, identity=identity)
        with contextlib.suppress(NotFound):
            await self._ask(lambda it: it.room.remove_participant(asked))

    async def set_metadata(self, room: str, identity: str, metadata: str) -> None:
        """Change a participant's metadata."""
        asked = api.UpdateParticipantRequest(room=room, identity=identity, metadata=metadata)
        await self._ask(lambda it: it.room.update_participant(asked))

    async def create_dispatch(self, wanted: api.CreateAgentDispatchRequest) -> str:
        """Ask for an agent in a room that is there; returns the dispatch's id."""
        answer = await self._ask(lambda it: it.agent_dispatch.create_dispatch(wanted))
        return str(answer.id)

    async def delete_dispatch(self, dispatch_id: str, room: str) -> None:
        """Take a dispatch back, with its jobs; one that is not there is no mistake."""
        with contextlib.suppress(NotFound):
            await self._ask(lambda it: it.agent_dispatch.delete_dispatch(dispatch_id, room))

    async def dispatches(self, room: str) -> list[api.AgentDispatch]:
        """All dispatches of a room."""
        try:
            return await self._ask(lambda it: it.agent_dispatch.list_dispatch(room))
        except NotFound:
            return []

    async def _ask(self, question: Callable[[api.LiveKitAPI], Awaitable[T]]) -> T:
        keys = self._ring.current
        server = api.LiveKitAPI(self._url, keys.api_key, keys.secret, session=self._session)
        try:
            async with self._gate, asyncio.timeout(ANSWER_SECONDS):
                return await question(server)
        except api.TwirpError as error:
            kind = NotFound if error.code == api.TwirpErrorCode.NOT_FOUND else ServerError
            raise kind(f"{error.code}: {error.message}") from error
        except TimeoutError as error:
            raise ServerError(f"no answer within {ANSWER_SECONDS:g} s") from error
        except DecodeError as error:
            raise ServerError(f"its answer is malformed: {error}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ServerError(str(error) or type(error).__name__) from error
