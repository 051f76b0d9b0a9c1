"""What happens at the gateway, told live to whoever listens."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

REMEMBERED = 200
"""Last events kept for the page and for a listener that comes back."""
BEHIND = 1000
"""A listener this many events behind is cut off: it may come back and read the state."""


@dataclass(frozen=True, slots=True)
class Event:
    """`number` counts up without a gap for as long as the gateway runs; `at` is monotonic."""

    number: int
    kind: str
    at: float
    facts: dict[str, object]

    def describe(self) -> dict[str, object]:
        """The form of GET /events."""
        return {"number": self.number, "event": self.kind, "monotonic": self.at, **self.facts}


class Listener:
    """One reader's queue; `get` gives None when it was cut off."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.cut_off = False

    def cut(self) -> None:
        """Let it go: what waits is not told any more."""
        if not self.cut_off:
            self.cut_off = True
            self.queue.put_nowait(None)

    async def get(self) -> Event | None:
        """The next event."""
        return await self.queue.get()


class Events:
    """The bus: publishing never waits, however slow a listener is."""

    def __init__(self) -> None:
        self.last: deque[Event] = deque(maxlen=REMEMBERED)
        self._numbers = itertools.count(1)
        self._listeners: set[Listener] = set()
        self._closed = False

    def publish(self, kind: str, **facts: object) -> None:
        """Tell everybody who listens now; facts must be JSON."""
        event = Event(next(self._numbers), kind, time.monotonic(), facts)
        self.last.append(event)
        for listener in self._listeners:
            if listener.cut_off:
                continue
            if listener.queue.qsize() >= BEHIND:
                listener.cut()
            else:
                listener.queue.put_nowait(event)

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def close(self) -> None:
        """The gateway ends: every listener is let go, and whoever comes after."""
        self._closed = True
        for listener in self._listeners:
            listener.queue.put_nowait(None)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Everything published inside the block arrives at the listener, in order."""
        listener = Listener()
        if self._closed:
            listener.queue.put_nowait(None)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
