"""What an operator has asked for: its rooms, its pace, its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover.candidates import candidates
from releve.gateway.handover.model import ENDS, Progress, Wanted
from releve.gateway.handover.steps import Closing, Steps
from releve.gateway.policy import Colour
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 3
"""So many rooms that kept their old agent end a handover: what stops one of them stops all."""

Phase = Literal["running", "cancelling", "done", "cancelled", "stopped", "interrupted"]


class Refused(Exception):
    """Nothing is handed over; the text says why. `status` is the answer's."""

    def __init__(self, text: str, status: int, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


@dataclass
class Handover:
    """One of them. `number` counts those of this gateway."""

    number: int
    agent: str
    wanted: Wanted
    rooms: list[Progress]
    phase: Phase = "running"
    why: str = ""
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def describe(self) -> dict[str, object]:
        """The form of GET /handover."""
        return {
            "number": self.number,
            "agent": self.agent,
            **self.wanted.model_dump(),
            "phase": self.phase,
            "why": self.why,
            "counts": dict(Counter(it.state for it in self.rooms)),
            "rooms": [it.describe() for it in self.rooms],
        }


class Handovers:
    """One at a time."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService, steps: Steps) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._steps = steps
        self._numbers = itertools.count(1)
        self._choosing = asyncio.Lock()
        self._last: Handover | None = None

    async def start(self, agent: str, wanted: Wanted) -> Handover:
        """Begin, and return before the first room. Raises Refused, ServerError."""
        async with self._choosing:
            if self._dispatcher.closing:
                raise Refused("this gateway is being replaced; ask again", 503, "busy")
            if self._last is not None and self._last.phase in ("running", "cancelling"):
                text = f"{self._last.wanted.by} hands over already; cancel it, or wait for its end"
                raise Refused(text, 409, "running")
            rooms = await candidates(self._dispatcher, self._room_service, agent, wanted)
            if wanted.room is not None and not rooms:
                raise Refused(f"no agent {agent!r} is in room {wanted.room!r}", 404, "no_agent")
            for colour in sorted({it.call.to for it in rooms if it.state == "waiting"}):
                self._is_served(agent, colour)
            handover = Handover(next(self._numbers), agent, wanted, rooms)
            self._last = handover
        self._dispatcher.background.once("handover", self._run(handover))
        return handover

    def _is_served(self, agent: str, colour: Colour) -> None:
        cordoned = colour in self._dispatcher.rulebook.rules(agent).cordoned
        if cordoned or colour not in self._dispatcher.registry.serving(agent):
            text = f"no uncordoned worker of {colour} is connected: start one, or uncordon it"
            raise Refused(text, 409, "unserved")

    def describe(self) -> dict[str, object]:
        """The last one, or that there was none."""
        if self._last is None:
            return {"phase": "none", "counts": {}, "rooms": []}
        return self._last.describe()

    def cancel(self) -> dict[str, object]:
        """No further room; those under way go to their end."""
        if self._last is not None and self._last.phase == "running":
            self._last.phase = "cancelling"
            self._last.cancelled.set()
        return self.describe()

    # -- its course --------------------------------------------------------------------------

    async def _run(self, handover: Handover) -> None:
        at_once = asyncio.Semaphore(handover.wanted.at_once)
        waiting = [it for it in handover.rooms if it.state == "waiting"]
        try:
            for number, progress in enumerate(waiting):
                if number:
                    await _pause(handover)
                await at_once.acquire()
                if not self._goes_on(handover):
                    break
                task = self._dispatcher.background.once(
                    "handover", self._one(handover, progress, at_once)
                )
                handover.under_way.add(task)
                task.add_done_callback(handover.under_way.discard)
            if handover.under_way:
                await asyncio.wait(set(handover.under_way))
        finally:
            self._end(handover)

    def _goes_on(self, handover: Handover) -> bool:
        if self._dispatcher.closing:
            handover.phase = "interrupted"
        elif handover.phase == "running" and (why := _failing(handover)):
            handover.phase, handover.why = "stopped", why
        return handover.phase == "running"

    async def _one(
        self, handover: Handover, progress: Progress, at_once: asyncio.Semaphore
    ) -> None:
        try:
            await self._steps.move(progress, handover.wanted)
        except Closing:
            handover.phase = "interrupted"
        finally:
            at_once.release()

    def _end(self, handover: Handover) -> None:
        self._goes_on(handover)
        if handover.phase == "cancelling":
            handover.phase = "cancelled"
        elif handover.phase == "running":
            handover.phase = "done"
        if any(it.state not in ENDS and it.state != "waiting" for it in handover.rooms):
            handover.phase = "interrupted"
        told = {name: handover.describe()[name] for name in ("agent", "phase", "why", "counts")}
        self._dispatcher.events.publish("handover_end", **told)
        log.info("handover over", extra=told)


async def _pause(handover: Handover) -> None:
    """From one room to the next; a cancel ends it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(handover.wanted.every):
            await handover.cancelled.wait()


def _failing(handover: Handover) -> str:
    """Why it must not go on; empty when it may."""
    over = [it for it in handover.rooms if it.state in ("new", "old", "redispatched")]
    last = over[-FAILURES_IN_A_ROW:]
    if len(last) < FAILURES_IN_A_ROW or any(it.state == "new" for it in last):
        return ""
    return f"{FAILURES_IN_A_ROW} rooms in a row kept their old agent; the last: {last[-1].why}"
