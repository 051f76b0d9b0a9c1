"""Jobs whose room is gone are over, whoever should have told us.

The server tells of a job's end over the connection by which it assigned it, and 0.7.2 never does. A
connection that broke meanwhile, or an agent that never joined, would leave its job on our list for
good: a colour would never be drained, and the list would grow for as long as the gateway runs.
"""

from __future__ import annotations

import asyncio
import logging
import time

from releve.gateway.dispatch.registry import Registry
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
NOT_OVER = ("offered", "running", "detached")
YOUNG_SECONDS = 60.0
"""A younger job is not judged: its room may be newer than the server's list."""


class StaleJobs:
    """Compares the list of running jobs with the server's list of rooms."""

    def __init__(self, registry: Registry, room_service: RoomService) -> None:
        self._registry = registry
        self._room_service = room_service

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except ServerError as error:
                log.warning("which rooms are there is not known", extra={"why": str(error)})

    async def look(self) -> None:
        """One look; asks the server only when there is a job old enough to be judged."""
        before = time.monotonic() - YOUNG_SECONDS
        # Detached ones, too: they count as calls of their agent until they are over.
        there_may_be = [it for it in self._registry.jobs.values() if it.state in NOT_OVER]
        old = [job for job in there_may_be if job.started < before]
        if not old:
            return
        rooms = await self._room_service.rooms()
        there = {room.sid for room in rooms} | {room.name for room in rooms}
        for job in old:
            if (job.sid or job.room) not in there:
                log.info("room of the job is gone", extra={"job": job.id, "room": job.room})
                self._registry.end(job)
