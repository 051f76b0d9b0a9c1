"""No pause for every worker's objects, and no leak of those that left."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from releve.gateway.upkeep import python_gc


class Cycle:
    """GarbageCollection that only the collector can free."""

    def __init__(self) -> None:
        self.itself = self


@asynccontextmanager
async def kept(keeper: python_gc.GarbageCollection) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.run())
    await asyncio.sleep(0.02)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until_gone(cycle: weakref.ref[Cycle]) -> None:
    async with asyncio.timeout(5):
        while cycle() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_many_that_left_are_collected_and_few_are_not_worth_a_pause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(python_gc, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(python_gc, "WORKERS_LEFT", 3)
    keeper = python_gc.GarbageCollection()
    async with kept(keeper):
        gone = weakref.ref(Cycle())
        for _ in range(2):
            keeper.note()
        await asyncio.sleep(0.05)
        assert gone() is not None
        keeper.note()
        await until_gone(gone)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_no_offer_waits_for_a_collection_that_comes_by_itself() -> None:
    collections: list[int] = []
    async with kept(python_gc.GarbageCollection()):
        gc.callbacks.append(lambda _phase, info: collections.append(info["generation"]))
        try:
            held = [[number] for number in range(100_000)]
        finally:
            gc.callbacks.pop()
    assert len(held) == 100_000
    assert collections == []


async def test_what_many_objects_may_hide_is_collected_whoever_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(python_gc, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(python_gc, "OBJECTS_MADE", 50_000)
    async with kept(python_gc.GarbageCollection()):
        gone = weakref.ref(Cycle())
        await asyncio.sleep(0.05)
        assert gone() is not None
        held = [[number] for number in range(50_000)]
        await until_gone(gone)
    assert len(held) == 50_000
