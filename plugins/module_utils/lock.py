"""One run at a time per environment: a file on the target that says who, when and what.

A lock is stale when its owner is provably gone, which only the control machine can tell
(`releve.run_owner`). Only then may the next run take it over by itself; of an owner on another
machine nothing can be proven, so there the operator decides.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class LockHeld(Exception):
    """Somebody holds the lock; `.holder` is its content."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(describe(holder))
        self.holder = holder


def describe(holder: dict[str, Any]) -> str:
    """Who, when and what, in one sentence."""
    who = holder.get("owner", {})
    return (
        f"run {holder.get('run', '?')} ({holder.get('verb', '?')}) by {holder.get('user', '?')} on "
        f"{who.get('host', '?')}, process {who.get('pid', '?')}, since {holder.get('since', '?')}"
    )


def take(path: Path, content: dict[str, Any], instead_of: str | None = None) -> None:
    """Take the lock, or put ours in the place of run `instead_of`. Raises LockHeld."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        held = holder_of(path)
        if held is not None and held["run"] != instead_of:
            raise LockHeld(held)
        path.write_text(json.dumps(content), encoding="utf-8")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock file's own lock: of two runs that take a stale lock, one wins."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def holder_of(path: Path) -> dict[str, Any] | None:
    """The lock's content; None when there is no lock, a mark when it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {"run": "unreadable lock"}
    if not isinstance(content, dict) or not isinstance(content.get("run"), str):
        return {"run": "unreadable lock"}
    return content


def release(path: Path, run: str) -> bool:
    """Give the lock back; another run's lock is left alone."""
    if not path.parent.exists():
        return False
    with _alone(path):
        held = holder_of(path)
        if held is None or held["run"] != run:
            return False
        path.unlink()
    return True
