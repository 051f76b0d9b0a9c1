"""Rooms in which a gateway before this one stopped midway."""

from __future__ import annotations

import asyncio

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.handover.open_rooms import OpenRoom, OpenRooms
from releve.gateway.handover.steps import Closing, Steps
from releve.gateway.server.errors import ServerError

AGAIN_SECONDS = 1.0


class Leftovers:
    """Each gets its old agent or its new one, whichever it was nearer to."""

    def __init__(
        self, dispatcher: Dispatcher, open_rooms: OpenRooms, steps: Steps, take_over: bool
    ) -> None:
        self._dispatcher = dispatcher
        self._open = open_rooms
        self._steps = steps
        self._worker_came = asyncio.Event()
        if not take_over:
            self._worker_came.set()
        dispatcher.presence.joined.append(lambda _worker: self._worker_came.set())

    async def run(self) -> None:
        """Ends when all are settled. A gateway that is still there lets its workers go only when
        it takes no further step."""
        await self._worker_came.wait()
        await asyncio.gather(*map(self._settle, self._open.load()))

    async def _settle(self, room: OpenRoom) -> None:
        while True:
            try:
                return await self._steps.resume(room)
            except Closing:
                return None
            except ServerError:  # it does not say by what the room's agent was asked for
                await asyncio.sleep(AGAIN_SECONDS)
