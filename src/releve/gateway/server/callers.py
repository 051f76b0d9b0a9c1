"""Who calls: asked of the server where a caller keeps its colour, or is on a list."""

from __future__ import annotations

import asyncio
import logging

from livekit.protocol import models

from releve.gateway.dispatch.dispatcher import IDENTITY
from releve.gateway.server.errors import ServerError
from releve.gateway.server.participants import is_caller
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
WAIT_SECONDS = 0.5
"""The server opens a room, and asks for its agent, a moment before the caller is in it."""


class Callers:
    """The first caller of a room, by its identity or an attribute."""

    def __init__(self, room_service: RoomService) -> None:
        self._room_service = room_service

    async def of(self, room: str, who: models.ParticipantInfo, told_by: str) -> str:
        """Empty when nobody is there in time, who calls does not say, or the server does not."""
        if who.identity:
            return _told(who, told_by)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    people = await self._room_service.participants(room)
                    callers = [it for it in people if is_caller(it)]
                    if callers:
                        return _told(min(callers, key=lambda it: it.joined_at_ms), told_by)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            log.info("no caller in time", extra={"room": room})
        except ServerError as error:
            log.warning("caller not known", extra={"room": room, "why": str(error)})
        return ""


def _told(who: models.ParticipantInfo, told_by: str) -> str:
    return who.identity if told_by == IDENTITY else who.attributes.get(told_by, "")
