"""Wait until no room has a participant: only then may a server or an agent be restarted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp
from livekit import api
from livekit.api.room_service import RoomService

from releve.probe.caller.join import Server, ServerError

LOOK_SECONDS = 1.0
PROGRESS_SECONDS = 20.0


async def wait(
    server: Server, seconds: float, tell: Callable[[str], None] = lambda said: None
) -> int:
    """Wait until no room has a participant; the calls that still go on after `seconds`.

    `tell` is called with their number every PROGRESS_SECONDS.
    A room counts while anybody is in it, the agent too: its caller may be about to come back.
    Raises ServerError when the server does not answer or refuses the key.
    """
    told = time.monotonic()
    deadline = told + seconds
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as client:
        while True:
            try:
                calls = await _calls(client.room)
            except (api.TwirpError, aiohttp.ClientError) as error:
                raise ServerError(f"{server.url} does not tell its rooms: {error}") from error
            now = time.monotonic()
            if calls == 0 or now >= deadline:
                return calls
            if now >= told + PROGRESS_SECONDS:
                told = now
                tell(f"{calls} calls go on, {deadline - now:.0f} s are left for them to end")
            await asyncio.sleep(LOOK_SECONDS)


async def _calls(service: RoomService) -> int:
    """Number of rooms with a participant. Not by `num_participants`, which lags by seconds."""
    rooms = (await service.list_rooms(api.ListRoomsRequest())).rooms
    calls = 0
    for room in rooms:
        answer = await service.list_participants(api.ListParticipantsRequest(room=room.name))
        calls += bool(answer.participants)
    return calls
