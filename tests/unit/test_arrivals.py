"""New rooms: a burst around each moment, a slow pulse otherwise, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from releve.probe.host import capacity
from releve.probe.suites import arrivals


class Rooms:
    """Counts what was opened; `enough` waits for so many."""

    def __init__(self) -> None:
        self.opened = 0
        self.events: list[str] = []
        self._more = asyncio.Condition()

    async def open(self) -> None:
        async with self._more:
            self.opened += 1
            self._more.notify_all()

    async def enough(self, count: int) -> None:
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: self.opened >= count)

    def write(self, event: str, **_fields: Any) -> None:
        self.events.append(event)


@asynccontextmanager
async def opening(every: float, moments: Path | None) -> AsyncIterator[Rooms]:
    rooms, stopping = Rooms(), asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()
    run = arrivals.Arrivals(every, moments, rooms.open, stopping, rooms.write).run(tasks)
    running = asyncio.create_task(run)
    try:
        yield rooms
    finally:
        stopping.set()
        await asyncio.wait_for(running, 5)
        await asyncio.gather(*tasks)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "CLOSEST_SECONDS", 0.01)
    monkeypatch.setattr(capacity, "FARTHEST_SECONDS", 0.02)
    monkeypatch.setattr(arrivals, "COST_SECONDS", 0.01)
    monkeypatch.setattr(arrivals, "CROWD_SECONDS", 0.0)


async def test_a_pulse_without_any_moment() -> None:
    async with opening(0.05, None) as rooms:
        await rooms.enough(3)
    assert rooms.events == []


async def test_a_moment_opens_a_burst_at_once_and_each_one_another(tmp_path: Path) -> None:
    moments = tmp_path / "moments"
    async with opening(3600, moments) as rooms:
        await rooms.enough(1)
        moments.touch()
        await rooms.enough(1 + arrivals.BURST_ROOMS)
        moments.write_text("again")
        await rooms.enough(1 + 2 * arrivals.BURST_ROOMS)
    assert rooms.opened == 1 + 2 * arrivals.BURST_ROOMS
    assert rooms.events == ["moment", "moment"]


async def test_a_file_that_an_earlier_run_left_is_no_moment(tmp_path: Path) -> None:
    moments = tmp_path / "moments"
    moments.touch()
    async with opening(3600, moments) as rooms:
        await rooms.enough(1)
        moments.unlink()
        await asyncio.sleep(3 * arrivals.LOOK_SECONDS)  # its looks, of which none may find anything
    assert rooms.opened == 1
