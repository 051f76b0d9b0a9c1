"""Events as server-sent events: the state first, then everything that happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from aiohttp import web

from releve.gateway.events import Event, Events, Listener

LISTENERS = 32
"""At each of both: strangers at the page must not keep operators from listening."""
ALIVE_SECONDS = 10.0
"""Something is sent at least this often, so that both ends notice a dead connection."""


class Stream:
    """GET /events. With `again`, the state is told once more that many seconds after an event."""

    def __init__(
        self, events: Events, state: Callable[[], dict[str, object]], again: float | None = None
    ) -> None:
        self._events = events
        self._state = state
        self._again = again
        self._readers = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """First an event `state`, then one per event as they come, and the state now and then.

        A reader that falls too far behind is cut off; it may connect again.
        """
        if self._readers >= LISTENERS:
            return web.json_response({"error": "too many listeners; close one"}, status=503)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        self._readers += 1
        try:
            with self._events.listen() as listener:
                await response.prepare(request)
                await self._tell(response, listener)
        except ConnectionError:
            pass  # the reader has gone, as readers do
        finally:
            self._readers -= 1
        return response

    async def _tell(self, response: web.StreamResponse, listener: Listener) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            if clock() >= due:
                await response.write(_frame("state", self._state()))
                due = clock() + ALIVE_SECONDS
            try:
                async with asyncio.timeout_at(due):
                    event = await listener.get()
            except TimeoutError:
                continue
            if event is None:
                return
            await response.write(_of(event))
            if self._again is not None:
                due = min(due, clock() + self._again)


def _of(event: Event) -> bytes:
    return _frame(event.kind, event.describe())


def _frame(kind: str, content: dict[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(content, default=str)}\n\n".encode()
