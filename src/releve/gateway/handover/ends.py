"""How a room's handover ends: the new agent is the room's, or the old one stays, or it has none."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover.looking import Seen, look
from releve.gateway.handover.model import Call, State, UnderWay
from releve.gateway.handover.open_rooms import OpenRooms
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

SETTLE_SECONDS, SETTLE_LOOK_SECONDS = 30.0, 3.0
"""The server lists an agent whose process is dead for about 20 s."""


class Ends:
    """Told to the dispatcher, to the operator, and to whoever sends rooms another agent."""

    def __init__(
        self, dispatcher: Dispatcher, room_service: RoomService, open_rooms: OpenRooms
    ) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._open = open_rooms
        self._settling: set[str] = set()
        dispatcher.jobs.done.append(lambda job: self._settling.discard(job.id))

    def over(self, under: UnderWay, state: State, why: str = "") -> None:
        """Tell it."""
        call, progress = under.call, under.progress
        progress.end(state, why)
        self._dispatcher.metrics.handovers.labels(call.agent, state).inc()
        facts = progress.describe()
        self._dispatcher.events.publish("handover", agent=call.agent, **facts)
        log.info("handover", extra={"agent": call.agent, **facts})

    async def keep(self, under: UnderWay, new: Seen) -> None:
        """The new agent is the room's. Should it die, the room's own dispatch is made again."""
        call, progress = under.call, under.progress
        job = self._dispatcher.registry.jobs.get(new.agent.job or "")
        if job is not None:
            job.dispatch = replace(call.dispatch, id=job.dispatch.id)
        if call.dispatch.id in self._dispatcher.repeats and call.dispatch.id != under.made:
            try:  # made for an earlier handover, or a redispatch
                await self._room_service.delete_dispatch(call.dispatch.id, call.room)
            except ServerError as error:
                log.warning("dispatch not deleted", extra={"room": call.room, "why": str(error)})
        self._is_over(call.job)
        progress.new = new.agent.identity
        self.over(under, "new")
        self._open.drop(call.agent, call.room)
        self._dispatcher.background.once("handover", self._settle(call, new))

    def miss(self, call: Call) -> None:
        """The room has no agent, or one that may be dead."""
        behind = {call.job or call.identity, call.identity}
        self._is_over(call.job)
        self._dispatcher.jobs.tell_missing(call.dispatch, behind)

    def _is_over(self, job_id: str | None) -> None:
        """Its agent is not in the room; the server's word of it may have been lost."""
        job = self._dispatcher.registry.jobs.get(job_id or "")
        if job is not None and job.ended is None:
            self._dispatcher.registry.end(job)

    async def _settle(self, call: Call, new: Seen) -> None:
        """A new agent that was dead already is missed when the server notices."""
        job = new.agent.job or ""
        self._settling.add(job)
        until = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(SETTLE_LOOK_SECONDS)
            try:
                seen = await look(self._room_service, call)
            except ServerError:
                continue
            moves_on = (call.agent, call.room) in self._open
            if not seen.caller or moves_on or job not in self._settling:  # or it said goodbye
                break
            if seen.agents == 0:
                log.warning("the new agent is gone", extra={"room": call.room})
                self._is_over(job)
                self._dispatcher.jobs.tell_missing(call.dispatch, {job, new.agent.identity})
                break
        self._settling.discard(job)
