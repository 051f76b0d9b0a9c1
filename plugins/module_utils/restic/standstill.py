"""A child process that hangs is killed.

restic 0.14 can hang for good when its disk is full: it says nothing, and nothing but its timers
ever runs again.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import proc

HUNG_SECONDS = 60.0
# Less than this in HUNG_SECONDS is what timers do: restic's wake it each second, to no end.
LEAST_SECONDS = 0.25  # of a processor
LEAST_BYTES = 65536  # read and written


@dataclass(frozen=True, slots=True)
class _Work:
    """CPU and I/O of a process since its start, and whether it waits for a disk."""

    seconds: float
    moved: int
    disk: bool

    def goes_on_from(self, before: _Work) -> bool:
        return (
            self.disk
            or self.seconds - before.seconds >= LEAST_SECONDS
            or self.moved - before.moved >= LEAST_BYTES
        )


@contextmanager
def killed_when_hung(process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Kill the process when it has as good as not worked for HUNG_SECONDS; the event tells that it
    was.

    One that waits for a disk, or keeps its processor, counts as one that works.
    """
    over, still = threading.Event(), threading.Event()

    def watch() -> None:
        seen, since = _Work(0, 0, disk=False), time.monotonic()
        while not over.wait(1):
            try:
                now = _work(process.pid)
            except OSError:  # it has ended
                return
            if now.goes_on_from(seen):
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= HUNG_SECONDS:
                still.set()
                process.kill()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield still
    finally:
        over.set()
        watcher.join()


def _work(pid: int) -> _Work:
    """Raises OSError when there is no such process."""
    path = proc.path(pid)
    user, system = proc.stat(path)[11:13]
    moved = dict(line.split(": ") for line in (path / "io").read_text().splitlines())
    return _Work(
        (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"),
        int(moved["rchar"]) + int(moved["wchar"]),
        disk=any(_state(thread) == "D" for thread in (path / "task").iterdir()),
    )


def _state(thread: Path) -> str:
    try:
        return proc.stat(thread)[0]
    except OSError:  # the thread ended meanwhile
        return ""
