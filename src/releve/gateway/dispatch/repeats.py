"""Dispatches that the gateway itself made, to replace an agent that died or is to leave.

Each is for one room job. The server takes it for one of the room's own, and asks under it for
agents of every other job type as well, also for participants who come later: those would come
twice.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

REMEMBERED = 10_000


class Repeats:
    """Their ids, the last ones."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._rooms: Counter[str] = Counter()  # where one is being made: its id is not known yet

    @contextmanager
    def making(self, room: str) -> Iterator[Callable[[str], None]]:
        """Inside the block a dispatch is made there; its id goes to what the block is given."""
        self._rooms[room] += 1
        try:
            yield self.note
        finally:
            self._rooms[room] -= 1
            self._rooms += Counter()  # without those that are 0

    def note(self, dispatch_id: str) -> None:
        """It is one."""
        if dispatch_id:
            self._ids[dispatch_id] = None
            if len(self._ids) > REMEMBERED:
                self._ids.popitem(last=False)

    def __contains__(self, dispatch_id: str) -> bool:
        return dispatch_id in self._ids

    async def include(self, room: str, dispatch_id: str, seconds: float) -> bool:
        """Whether that dispatch of the room is one; waits while one is being made there."""
        until = asyncio.get_running_loop().time() + seconds
        while self._rooms[room] and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return dispatch_id in self
