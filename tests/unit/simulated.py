"""An event loop whose clock jumps: hours of deadlines pass in milliseconds, always the same way."""

from __future__ import annotations

import asyncio
import selectors


class _NeverWaits(selectors.SelectSelector):
    """Instead of waiting for `timeout` seconds it moves the loop's clock by them."""

    loop: SimulatedLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everybody waits for everybody: nothing will ever happen")
        self.loop.now += max(0.0, timeout)
        return super().select(0)


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Time is what the timers say it is."""

    def __init__(self) -> None:
        selector = _NeverWaits()
        selector.loop = self
        self.now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self.now
