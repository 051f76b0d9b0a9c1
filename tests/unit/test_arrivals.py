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
        self.events: list[tuple[str, str]] = []
        self.told = asyncio.Event()
        self._more = asyncio.Condition()

    async def open(self) -> None:
        async with self._more:
            self.opened += 1
            self._more.notify_all()

    async def enough(self, count: int) -> None:
        async with asyncio.timeout(20), self._more:
            await self._more.wait_for(lambda: self.opened >= count)

    async def events_are(self, expected: list[tuple[str, str]]) -> None:
        async with asyncio.timeout(20):
            while self.events != expected:
                self.told.clear()
                await self.told.wait()

    def write(self, event: str, **fields: Any) -> None:
        self.events.append((event, str(fields.get("id"))))
        self.told.set()


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
        moments.write_text("one\n")
        await rooms.enough(1 + arrivals.BURST_ROOMS)
        await rooms.events_are([("moment", "one"), ("moment_over", "one")])
        moments.write_text("two\n")
        await rooms.enough(1 + 2 * arrivals.BURST_ROOMS)
    assert rooms.opened == 1 + 2 * arrivals.BURST_ROOMS


async def test_a_burst_is_over_when_its_last_room_has_cost_what_it_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "COST_SECONDS", 3600.0)
    moments = tmp_path / "moments"
    async with opening(3600, moments) as rooms:
        await rooms.enough(1)
        moments.write_text("one")
        await rooms.enough(1 + arrivals.BURST_ROOMS)
    assert rooms.events == [("moment", "one")]


async def test_the_rooms_of_a_moment_that_another_one_met_are_over_with_the_other_one_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "COST_SECONDS", 1.0)
    moments = tmp_path / "moments"
    async with opening(3600, moments) as rooms:
        await rooms.enough(1)
        moments.write_text("one")
        await rooms.enough(1 + arrivals.BURST_ROOMS)
        moments.write_text("two")
        await rooms.events_are([("moment", "one"), ("moment", "two"), ("moment_over", "two")])


async def test_a_file_that_an_earlier_run_left_is_no_moment(tmp_path: Path) -> None:
    moments = tmp_path / "moments"
    moments.write_text("earlier")
    async with opening(3600, moments) as rooms:
        await rooms.enough(1)
        moments.unlink()
        await asyncio.sleep(3 * arrivals.LOOK_SECONDS)  # its looks, of which none may find anything
    assert rooms.opened == 1
