"""New rooms where they prove something: a burst around each risky moment, else a slow pulse.

Whoever is about to move something writes an id of its own into the file `moments`: rooms open from
just before to some seconds after, and "moment_over" with that id is written when they have opened
and cost what they cost. Between them one room every `every` seconds shows that nothing else went
wrong.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from releve.probe.caller.state_changes import Changes, unless
from releve.probe.host import capacity

BURST_ROOMS = 3
LOOK_SECONDS = 0.1  # between looks at the file
CROWD_SECONDS = 2.0  # how long a room waits for a host on which everybody waits
COST_SECONDS = 3.0  # after its opening a room has cost what it costs


class Arrivals:
    """Opens rooms until `stopping`; `open_room` returns when the room is closed."""

    def __init__(
        self,
        every: float,
        moments: Path | None,
        open_room: Callable[[], Coroutine[Any, Any, None]],
        stopping: asyncio.Event,
        write: Callable[..., None],
    ) -> None:
        self._every, self._moments, self._open = every, moments, open_room
        self._stopping, self._write = stopping, write
        self._due = 0
        self._moment = ""
        self._changed = Changes()
        self._cost: float | None = None
        self._cores = os.cpu_count() or 1

    async def run(self, tasks: set[asyncio.Task[None]]) -> None:
        """Those in progress are among `tasks`, which the caller ends."""
        looking = asyncio.create_task(self._look())
        ending = asyncio.create_task(self._end())
        busy = capacity.Busy()
        try:
            while not self._stopping.is_set():
                burst, base = self._due > 0, busy.cores()
                self._due = max(0, self._due - 1)
                cost = capacity.ROOM_CORE_SECONDS if self._cost is None else self._cost
                spacing = capacity.room_spacing(self._cores, base, cost)
                busy = capacity.Busy()
                opened = asyncio.create_task(self._open())
                tasks.add(opened)
                weighed = asyncio.create_task(self._weigh(base))
                tasks.add(weighed)
                if burst and not self._due:
                    tasks.add(asyncio.create_task(self._tell_over(weighed, self._moment)))
                if burst:
                    await self._space(spacing)
                if not self._due:
                    await self._changed.until(self._wanted, self._every)
                tasks -= {task for task in tasks if task.done()}
        finally:
            looking.cancel()
            ending.cancel()

    def _wanted(self) -> bool:
        return self._due > 0 or self._stopping.is_set()

    async def _end(self) -> None:
        await self._stopping.wait()
        self._changed.set()

    async def _look(self) -> None:
        """Runs until it is cancelled: each new id in the file is a moment."""
        self._moment = _id_in(self._moments)
        while self._moments is not None:
            await asyncio.sleep(LOOK_SECONDS)
            now = _id_in(self._moments)
            if now not in (self._moment, ""):
                self._moment = now
                self._write("moment", id=now)
                self._due = BURST_ROOMS
                self._changed.set()

    async def _tell_over(self, weighed: asyncio.Task[None], moment: str) -> None:
        """Write that the rooms of a moment have opened, unless another one began meanwhile."""
        await weighed
        if moment == self._moment and not self._stopping.is_set():
            self._write("moment_over", id=moment)

    async def _weigh(self, base: float) -> None:
        """What a room takes, in core-seconds beyond `base`; the least so far: others work too."""
        since, before = time.monotonic(), capacity.Busy()
        await unless(self._stopping, COST_SECONDS)
        if not self._stopping.is_set():
            cost = max(before.seconds() - base * (time.monotonic() - since), 0.1)
            self._cost = cost if self._cost is None else min(cost, self._cost)

    async def _space(self, seconds: float) -> None:
        """Let so much time pass, and a little more while all the time some task has to wait."""
        deadline = time.monotonic() + seconds + CROWD_SECONDS
        while True:
            before, since = capacity.waiting_seconds(), time.monotonic()
            await unless(self._stopping, seconds)
            after, now = capacity.waiting_seconds(), time.monotonic()
            if before is None or after is None or now >= deadline or self._stopping.is_set():
                return
            if after - before < capacity.CROWDED * (now - since):
                return
            seconds = 0.5


def _id_in(path: Path | None) -> str:
    """What stands in the file; nothing where there is none."""
    try:
        return "" if path is None else path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return ""
