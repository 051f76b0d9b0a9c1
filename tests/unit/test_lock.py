"""One run at a time: who gets the lock, and who may replace it."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from module_utils import lock
from releve.run_owner import gone


def content(run: str) -> dict[str, Any]:
    return {"run": run, "verb": "migrate", "user": "ada", "since": "2025-06-01T10:15:00+00:00"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "releve" / "eloquence.lock"


def test_the_first_run_takes_the_lock_and_the_second_is_told_who_holds_it(path: Path) -> None:
    lock.take(path, content("one"))
    with pytest.raises(lock.LockHeld, match=r"run one \(migrate\) by ada .*since 2025") as held:
        lock.take(path, content("two"))
    assert held.value.holder == content("one")
    assert lock.holder_of(path) == content("one")


def test_a_released_lock_is_free_again(path: Path) -> None:
    lock.take(path, content("one"))
    assert lock.release(path, "one")
    assert lock.holder_of(path) is None
    lock.take(path, content("two"))


def test_another_runs_lock_is_left_alone_on_release(path: Path) -> None:
    assert not lock.release(path, "nobody ever ran here")
    lock.take(path, content("one"))
    assert not lock.release(path, "two")
    assert lock.holder_of(path) == content("one")


def test_a_lock_is_taken_over_only_from_the_run_that_was_looked_at(path: Path) -> None:
    lock.take(path, content("one"))
    with pytest.raises(lock.LockHeld):
        lock.take(path, content("three"), instead_of="two")
    lock.take(path, content("three"), instead_of="one")
    assert lock.holder_of(path) == content("three")


def test_of_two_that_take_over_the_same_stale_lock_one_wins(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.take(path, content("stale"))
    both_looked = threading.Barrier(2)
    look = lock.holder_of

    def slow_look(path: Path) -> dict[str, Any] | None:
        held = look(path)
        with contextlib.suppress(threading.BrokenBarrierError):  # the other is kept out: good
            both_looked.wait(0.1)
        return held

    def takes_over(run: str) -> bool:
        try:
            lock.take(path, content(run), instead_of="stale")
        except lock.LockHeld:
            return False
        return True

    monkeypatch.setattr(lock, "holder_of", slow_look)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(takes_over, ("one", "two"))) == [False, True]


@pytest.mark.parametrize("text", ["", '{"run": "on', "[]", "{}", '{"run": null}', "\udcff"])
def test_an_unreadable_lock_is_held_until_the_operator_breaks_it(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(lock.LockHeld, match="unreadable lock") as held:
        lock.take(path, content("two"))
    assert not gone(held.value.holder)
    lock.take(path, content("two"), instead_of=held.value.holder["run"])
    assert lock.holder_of(path) == content("two")
