"""Processes as the kernel tells them: proc(5)."""

from __future__ import annotations

from pathlib import Path


def path(pid: int) -> Path:
    """Where the kernel tells of a process; its threads are under `task`."""
    return Path(f"/proc/{pid}")


def stat(task: Path) -> list[str]:
    """Fields of a process's or thread's `stat` behind the name, which may hold anything.

    The state is the first, so field n of proc(5) stands at n - 3. Raises OSError when it has ended.
    """
    return (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
