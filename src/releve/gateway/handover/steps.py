"""One room, step by step: the new agent comes, is heard, and the old one leaves. Or back.

Whatever fails on the way, the room keeps the old agent; and whoever may still come for it is
sent out for a minute.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover import candidates
from releve.gateway.handover.back import Back
from releve.gateway.handover.ends import Ends
from releve.gateway.handover.looking import Look, Seen, look
from releve.gateway.handover.model import Call, Context, Progress, State, UnderWay, Wanted
from releve.gateway.handover.open_rooms import OpenRoom, OpenRooms
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
ARRIVE_SECONDS = 10.0
"""How long the new agent may take until it is heard."""
LEAVE_SECONDS, REMOVE_SECONDS = 5.0, 0.5
"""How long the old one may take to leave, and when it is sent out again."""
Ask = Callable[[Call, float], Awaitable[Context | None]]
"""Gives what the old agent tells of the call within so many seconds; None: nothing."""
Tell = Callable[[str, Call, Context], str]
"""Gives the new agent's metadata, of the room's own, the call and its context."""


class _Back(Exception):
    """The room keeps its old agent; the text says why."""


class Closing(Exception):
    """The gateway ends: its successor goes on from what is written."""


class Steps:
    """Moves rooms, each by itself."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        room_service: RoomService,
        open_rooms: OpenRooms,
        ask: Ask,
        tell: Tell,
    ) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._open = open_rooms
        self._ask = ask
        self._metadata = tell
        self._ends = Ends(dispatcher, room_service, open_rooms)
        self._back = Back(dispatcher, room_service, open_rooms, self._ends)

    async def move(self, progress: Progress, wanted: Wanted) -> None:
        """From the old agent to the new one, or not; the progress tells which. Raises Closing."""
        call, under = progress.call, UnderWay(progress)
        if (call.agent, call.room) in self._open:
            return self._ends.over(under, "skipped", "an earlier handover of it is not over yet")
        try:
            seen = await look(self._room_service, call)
        except ServerError as error:
            return self._ends.over(under, "old", f"the server does not answer: {error}")
        if obstacle := _obstacle(seen):
            return self._ends.over(under, *obstacle)
        assert seen.old is not None
        context = None
        if wanted.context_seconds:
            progress.state = "asking"
            context = await self._ask(call, wanted.context_seconds)
            progress.context = context is not None
        if context is None and not wanted.without_context:
            return self._ends.over(
                under, "old", "its agent told no context, and none is not allowed"
            )
        self._stop_if_closing()
        try:
            self._open.put(OpenRoom(call.agent, call.room, call.to, call.identity, call.job))
        except OSError as error:
            return self._ends.over(under, "old", f"the handover cannot be kept on disk: {error}")
        try:
            new = await self._arrival(under, context, seen.old)
            await self._departure(under, new)
        except (_Back, ServerError, OSError) as error:
            await self._back.take(under, str(error))
        return None

    async def resume(self, room: OpenRoom) -> None:
        """What a gateway before this one left open: to its end where the new agent was heard."""
        dispatch = await candidates.own_dispatch(
            self._dispatcher, self._room_service, room.agent, room.room, room.job
        )
        under = UnderWay(Progress(Call(dispatch, room.identity, room.job, room.to)))
        try:
            seen = await look(self._room_service, under.call)
            heard = next((it for it in seen.new if it.is_heard), None)
            if room.leaving and heard is not None and seen.old is not None:
                await self._departure(under, heard)
                return
        except (_Back, ServerError, OSError) as error:
            log.warning("handover not finished", extra={"room": room.room, "why": str(error)})
        await self._back.take(under, "the gateway was replaced meanwhile")

    # -- there -------------------------------------------------------------------------------

    async def _arrival(self, under: UnderWay, context: Context | None, old: Seen) -> Seen:
        """The new agent, as soon as it is heard; where the old one has no audio, it is there."""
        call, progress = under.call, under.progress
        key = candidates.dark_key(self._dispatcher, call.agent, call.to)
        metadata = call.dispatch.metadata
        if context is not None:
            metadata = self._metadata(metadata, call, context)
        progress.state = "arriving"
        with self._dispatcher.repeats.making(call.room) as made:
            wanted = replace(call.dispatch, key=key, metadata=metadata).request()
            under.made = await self._room_service.create_dispatch(wanted)
            made(under.made)
        until = time.monotonic() + ARRIVE_SECONDS
        while True:
            self._stop_if_closing()
            seen = await look(self._room_service, call)
            if not seen.caller:
                raise _Back("the caller left")
            for new in seen.new:
                progress.new = new.agent.identity
                if new.is_heard or not old.has_audio:
                    return new
                if self._is_over(new):
                    raise _Back("the new agent ended before it was heard")
            if time.monotonic() >= until:
                came = "was not heard" if seen.new else "did not come"
                raise _Back(f"the new agent {came} within {ARRIVE_SECONDS:g} s")
            await asyncio.sleep(LOOK_SECONDS)

    def _is_over(self, new: Seen) -> bool:
        job = self._dispatcher.registry.jobs.get(new.agent.job or "")
        return job is not None and job.state == "ended"

    async def _departure(self, under: UnderWay, new: Seen) -> None:
        """The old agent leaves. From here on the successor of this gateway does the same."""
        call, progress = under.call, under.progress
        self._stop_if_closing()
        self._open.put(OpenRoom(call.agent, call.room, call.to, call.identity, call.job, True))
        progress.state, progress.new = "leaving", new.agent.identity
        began = sent = time.monotonic()
        while True:
            # Of one identity: the server has sent the old one away, and this would be the new one.
            if call.identity != new.agent.identity:
                await self._room_service.remove_participant(call.room, call.identity)
            sent = time.monotonic()
            progress.overlap_ms = progress.overlap_ms or round((sent - began) * 1000, 1)
            while time.monotonic() < sent + REMOVE_SECONDS:
                seen = await look(self._room_service, call)
                if seen.old is None:
                    return await self._arrived(under, new, seen)
                await asyncio.sleep(LOOK_SECONDS)
            if time.monotonic() >= began + LEAVE_SECONDS:
                raise _Back(f"the old agent did not leave within {LEAVE_SECONDS:g} s")

    async def _arrived(self, under: UnderWay, new: Seen, seen: Look) -> None:
        call = under.call
        if not seen.new:
            raise _Back("both agents left" if seen.caller else "the caller left")
        if seen.others:
            raise _Back("another agent came meanwhile")
        for more in seen.new:
            if more.agent.identity != new.agent.identity:
                await self._room_service.remove_participant(call.room, more.agent.identity)
        await self._ends.keep(under, new)

    def _stop_if_closing(self) -> None:
        if self._dispatcher.closing:
            raise Closing


def _obstacle(seen: Look) -> tuple[State, str] | None:
    """Why the room is not moved: the state that it ends in, and the reason."""
    if not seen.caller:
        return "gone", "no caller is in it"
    if seen.old is None:
        return "skipped", "its agent has changed meanwhile"
    if seen.agents != 1:
        return "skipped", f"it has {seen.agents} agents"
    return None
