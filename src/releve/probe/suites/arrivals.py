"""Arrivals: a burst of new rooms around each moment, else one every `every` seconds.

The playbook writes an id into the file `moments` just before it moves something; rooms then open
from just before that to some seconds after. "moment_over" with the id is written when they have
opened and cost what they cost.
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
MOMENTS = 4  # of a run: adoption, canary, flip, and the way back
RESERVED = MOMENTS * BURST_ROOMS
LOOK_SECONDS = 0.1  # between looks at the file
CROWD_SECONDS = 2.0  # how much longer a room waits while the host's CPUs are overloaded
COST_SECONDS = 3.0  # the cost of a room is measured for this long


class Arrivals:
    """Opens rooms until `stopping`; `open_room` returns when the room is closed."""

    def __init__(
        self,
        every: float,
        moments: Path | None,
        open_room: Callable[[], Coroutine[Any, Any, None]],
        stopping: asyncio.Event,
        write: Callable[..., None],
        most: int | None = None,
    ) -> None:
        """No more rooms than `most`; RESERVED of them are for bursts."""
        self._every, self._moments, self._open = every, moments, open_room
        self._stopping, self._write = stopping, write
        self._due = 0
        self._moment = ""
        self._left = most
        self._changed = Changes()
        self._cost: float | None = None
        self._cores = os.cpu_count() or 1

    async def run(self, tasks: set[asyncio.Task[None]]) -> None:
        """Adds the rooms in progress to `tasks`, which the caller ends."""
        watching = asyncio.create_task(self._watch_moments())
        ending = asyncio.create_task(self._end())
        busy = capacity.CpuMeter()
        try:
            while not self._stopping.is_set():
                if self._left == 0:
                    self._write("budget_spent", what="rooms")
                    if self._due:
                        self._write("moment_over", id=self._moment)
                    await self._stopping.wait()
                    break
                if self._left is not None and not self._due and self._left <= RESERVED:
                    await self._changed.until(self._wanted, self._every)
                    continue
                self._left = self._left and self._left - 1
                burst, base = self._due > 0, busy.cores()
                self._due = max(0, self._due - 1)
                cost = capacity.ROOM_CORE_SECONDS if self._cost is None else self._cost
                spacing = capacity.room_spacing(self._cores, base, cost)
                busy = capacity.CpuMeter()
                opened = asyncio.create_task(self._open())
                tasks.add(opened)
                measured = asyncio.create_task(self._measure_cost(base))
                tasks.add(measured)
                if burst and not self._due:
                    tasks.add(asyncio.create_task(self._tell_over(measured, self._moment)))
                if burst:
                    await self._pause(spacing)
                if not self._due:
                    await self._changed.until(self._wanted, self._every)
                tasks -= {task for task in tasks if task.done()}
        finally:
            watching.cancel()
            ending.cancel()

    def _wanted(self) -> bool:
        return self._due > 0 or self._stopping.is_set()

    async def _end(self) -> None:
        await self._stopping.wait()
        self._changed.set()

    async def _watch_moments(self) -> None:
        """Record a moment at each new id in the file, until cancelled."""
        self._moment = _id_in(self._moments)
        while self._moments is not None:
            await asyncio.sleep(LOOK_SECONDS)
            now = _id_in(self._moments)
            if now not in (self._moment, ""):
                self._moment = now
                self._write("moment", id=now)
                if self._left == 0:  # no room is left to wait for
                    self._write("moment_over", id=now)
                    continue
                self._due = BURST_ROOMS
                self._changed.set()

    async def _tell_over(self, measured: asyncio.Task[None], moment: str) -> None:
        """Write that the rooms of a moment have opened, unless another one began meanwhile."""
        await measured
        if moment == self._moment and not self._stopping.is_set():
            self._write("moment_over", id=moment)

    async def _measure_cost(self, base: float) -> None:
        """Measure the cost of a room in core-seconds beyond `base`; the least so far is kept."""
        since, before = time.monotonic(), capacity.CpuMeter()
        await unless(self._stopping, COST_SECONDS)
        if not self._stopping.is_set():
            cost = max(before.seconds() - base * (time.monotonic() - since), 0.1)
            self._cost = cost if self._cost is None else min(cost, self._cost)

    async def _pause(self, seconds: float) -> None:
        """Wait that long, and up to CROWD_SECONDS longer while tasks wait for a CPU."""
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
