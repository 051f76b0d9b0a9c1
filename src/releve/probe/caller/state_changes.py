"""Waiting for a state that several callbacks change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes(asyncio.Event):
    """Set at every change; each waiter then checks its condition again."""

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()` after some change; False after `seconds`."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not holds():
                    self.clear()
                    await self.wait()
        except TimeoutError:
            return holds()
        return True


async def unless(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep for `seconds`, but not beyond the moment at which `stopping` is set."""
    try:
        await asyncio.wait_for(stopping.wait(), max(0.0, seconds))
    except TimeoutError:
        return
