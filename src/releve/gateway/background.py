"""Background tasks, supervised in one place: a failure is logged and counted, and ends nothing
else."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 10.0
"""Between a failure and the next start; doubled at each failure in a row."""


class Background:
    """All tasks of one gateway. `failures` counts them by the name of the task."""

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        """Run it until `stop`; after a failure it starts again."""
        return self._add(name, self._kept(name, work))

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run it once; the task itself never fails."""
        task = self._add(name, self._once(name, work))
        task.add_done_callback(lambda _: work.close())  # it may be cancelled before it begins
        return task

    async def stop(self) -> None:
        """Cancel everything; returns when all has ended."""
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=1.0)

    def _add(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.failures[name] += 0  # an increase is seen only from a zero on
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        await self._guarded(name, work)

    async def _kept(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        clock = asyncio.get_running_loop().time
        wait = FIRST_WAIT_SECONDS
        while True:
            began = clock()
            if await self._guarded(name, work()):
                return
            if clock() - began > LONGEST_WAIT_SECONDS:
                wait = FIRST_WAIT_SECONDS
            await asyncio.sleep(wait)
            wait = min(LONGEST_WAIT_SECONDS, wait * 2)

    async def _guarded(self, name: str, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it ended without a failure."""
        try:
            await work
        except Exception:
            self.failures[name] += 1
            log.exception("background task failed", extra={"task": name})
            return False
        return True
