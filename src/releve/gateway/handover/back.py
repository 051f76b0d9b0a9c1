"""The room as it was: the new agent does not come, or is sent out, and the old one stays."""

from __future__ import annotations

import asyncio
import logging

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover import candidates
from releve.gateway.handover.ends import Ends
from releve.gateway.handover.looking import Look, Seen, look
from releve.gateway.handover.model import Call, State, UnderWay
from releve.gateway.handover.open_rooms import OpenRooms
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

LATE_SECONDS, LATE_LOOK_SECONDS = 60.0, 1.0
"""How long an agent that came to nothing is waited for, to send it out when it comes after all."""


class Back:
    """Takes a handover back."""

    def __init__(
        self, dispatcher: Dispatcher, room_service: RoomService, open_rooms: OpenRooms, ends: Ends
    ) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._open = open_rooms
        self._ends = ends

    async def take(self, under: UnderWay, why: str) -> None:
        """The room as it was; asked again and again while the server does not answer."""
        log.warning("handover taken back", extra={"room": under.call.room, "why": why})
        left = LATE_SECONDS
        try:
            state = await self._restore(under)
        except ServerError as error:
            state, why = "old", f"{why}; the server does not answer: {error}"
        else:
            left -= LATE_LOOK_SECONDS
        if state != "new":  # that is told where it is kept
            self._ends.over(under, state, why)
            self._dispatcher.background.once("handover", self._send_late_ones_out(under, left))

    async def _send_late_ones_out(self, under: UnderWay, left: float) -> None:
        call = under.call
        while left > 0:
            await asyncio.sleep(LATE_LOOK_SECONDS)
            if self._dispatcher.closing:
                return
            try:
                state = await self._restore(under)
            except ServerError:
                continue
            left -= LATE_LOOK_SECONDS
            if state == "new":
                return
            if state != under.progress.state:
                self._ends.over(under, state, under.progress.why)
        self._open.drop(call.agent, call.room)

    async def _restore(self, under: UnderWay) -> State:
        """One look; only while the old agent is there, or no caller is, the new one is sent out."""
        call = under.call
        seen = await look(self._room_service, call)
        if seen.old is None and seen.caller:
            return await self._without_old(under, seen)
        await self._take_dispatch_back(under)
        await self._send_out(call, seen.new)
        job = self._dispatcher.registry.jobs.get(call.job or "")
        if seen.old is not None and job is not None and job.state == "detached":
            self._ends.miss(call)  # its worker's connection is gone: it may be dead
        return "old" if seen.caller else "gone"

    async def _without_old(self, under: UnderWay, seen: Look) -> State:
        """The old agent has left by itself: the new one stays, unless the room is another's."""
        call, ours = under.call, [it for it in seen.new if self._is_ours(under, it)]
        if under.progress.state == "redispatched":
            await self._send_out(call, ours)
            return "redispatched"
        if seen.new and not seen.others:
            await self._send_out(call, seen.new[1:])
            await self._ends.keep(under, seen.new[0])
            return "new"
        await self._take_dispatch_back(under)
        await self._send_out(call, ours)
        if not seen.others:
            self._ends.miss(call)
        return "redispatched"

    def _is_ours(self, under: UnderWay, seen: Seen) -> bool:
        job = self._dispatcher.registry.jobs.get(seen.agent.job or "")
        return job is not None and job.dispatch.id == under.made

    async def _send_out(self, call: Call, agents: list[Seen]) -> None:
        for seen in agents:
            if seen.agent.identity != call.identity:
                await self._room_service.remove_participant(call.room, seen.agent.identity)

    async def _take_dispatch_back(self, under: UnderWay) -> None:
        call = under.call
        made = [] if under.deleted else [under.made]
        if not under.made:  # the server may have made it and its answer was lost
            name = candidates.dark_key(self._dispatcher, call.agent, call.to).agent_name
            listed = await self._room_service.dispatches(call.room)
            made = [it.id for it in listed if it.agent_name == name and it.id != call.dispatch.id]
        for dispatch_id in made:
            await self._room_service.delete_dispatch(dispatch_id, call.room)
        under.deleted = bool(under.made)
