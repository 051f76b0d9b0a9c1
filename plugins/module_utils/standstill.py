"""A child process that will never go on is ended.

restic 0.14 can hang for good when its disk is full: it says nothing, and none of its threads ever
runs again.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STILL_SECONDS = 60.0


@contextmanager
def ended_when_still(process: subprocess.Popen[bytes]) -> Iterator[threading.Event]:
    """Kill the process when no thread of it has run for STILL_SECONDS; the event tells that it was.

    One that waits for a disk, or keeps its processor, counts as one that runs.
    """
    over, still = threading.Event(), threading.Event()

    def watch() -> None:
        seen, since = "", time.monotonic()
        while not over.wait(1):
            now = _switches(process.pid)
            if now != seen or "\tD " in now or "\tR " in now:
                seen, since = now, time.monotonic()
            elif time.monotonic() - since >= STILL_SECONDS:
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


def _switches(pid: int) -> str:
    """States of the process's threads, and how often each was switched away from."""
    found = []
    for thread in sorted(Path(f"/proc/{pid}/task").glob("*/status")):
        try:
            lines = thread.read_text().splitlines()
        except OSError:  # the thread ended meanwhile
            continue
        found += [line for line in lines if line.startswith("State:") or "ctxt_switches" in line]
    return "\n".join(found)
