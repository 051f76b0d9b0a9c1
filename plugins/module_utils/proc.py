"""Reads proc(5)."""

from __future__ import annotations

import os
from pathlib import Path


def path(pid: int) -> Path:
    """The folder of a process in /proc; its threads are under `task`."""
    return Path(f"/proc/{pid}")


def stat(task: Path) -> list[str]:
    """Fields of a process's or thread's `stat` behind the name, which may hold anything.

    The state is the first, so field n of proc(5) stands at n - 3. Raises OSError when it has ended.
    """
    return (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def idle_seconds(proc: Path = Path("/proc")) -> float:
    """Seconds in which processors of the host had nothing to do, since it started.

    Waiting for a disk is idle, too. Raises OSError or ValueError where the kernel does not tell.
    """
    first = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    if len(first) < 6:
        raise ValueError(f"{proc / 'stat'} begins with {' '.join(first)!r}")
    return (int(first[4]) + int(first[5])) / os.sysconf("SC_CLK_TCK")


def memory_free_mb(proc: Path = Path("/proc")) -> int:
    """MemAvailable, in MB of 10^6 bytes. Raises OSError or ValueError where it is not told."""
    for line in (proc / "meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 // 1_000_000
    raise ValueError(f"{proc / 'meminfo'} has no MemAvailable")
