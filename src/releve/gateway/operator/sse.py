"""Events as server-sent events: the state first, then everything that happens."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable

from aiohttp import web

from releve.gateway.events import Event, Events, Listener

LISTENERS = 32
"""At each of both, admin socket and page. One more sends the one away that came first."""
WRITE_SECONDS = 10.0
"""A reader that takes nothing for so long is cut off."""
UNREAD_BYTES = 1 << 16
"""What the system keeps for a reader; it would keep megabytes, and a reader that reads nothing
would not be noticed for hours."""
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
        self._readers: dict[Listener, None] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """First an event `state`, then one per event as they come, and the state now and then.

        A reader that falls too far behind is cut off; it may connect again.
        """
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        transport = request.transport
        with self._events.listen() as listener:
            if len(self._readers) >= LISTENERS:
                first = next(iter(self._readers))
                del self._readers[first]
                first.cut()
            self._readers[listener] = None
            try:
                if transport is not None:
                    _keep_little(transport)
                await response.prepare(request)
                await self._tell(response, listener)
                if transport is not None and transport.get_write_buffer_size():
                    transport.abort()  # it does not read: the end of the answer would wait for it
            except TimeoutError:
                if transport is not None:
                    transport.abort()
            except ConnectionError:
                pass  # the reader has gone, as readers do
            finally:
                self._readers.pop(listener, None)
        return response

    async def _tell(self, response: web.StreamResponse, listener: Listener) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            if clock() >= due:
                await _write(response, _frame("state", self._state()))
                due = clock() + ALIVE_SECONDS
            try:
                async with asyncio.timeout_at(due):
                    event = await listener.get()
            except TimeoutError:
                continue
            if event is None:
                return
            await _write(response, _of(event))
            if self._again is not None:
                due = min(due, clock() + self._again)


async def _write(response: web.StreamResponse, frame: bytes) -> None:
    """Raises TimeoutError when the reader takes nothing."""
    async with asyncio.timeout(WRITE_SECONDS):
        await response.write(frame)


def _keep_little(transport: asyncio.Transport) -> None:
    transport.set_write_buffer_limits(high=UNREAD_BYTES)
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)


def _of(event: Event) -> bytes:
    return _frame(event.kind, event.describe())


def _frame(kind: str, content: dict[str, object]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(content, default=str)}\n\n".encode()
