"""Whose run it is: the process on the control machine, and whether it is provably gone.

Standard library only, because runs of Ansible pay for the import.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any


def owner(pid: int) -> dict[str, Any]:
    """The identity of a process on this machine, for good: no later process can match it."""
    return {
        "host": socket.gethostname(),
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip(),
        "pid": pid,
        "process": _started(pid),
    }


def gone(holder: dict[str, Any]) -> bool:
    """Whether the holder of a lock is provably gone, as far as this machine can tell."""
    identity = holder.get("owner", {})
    pid = identity.get("pid")
    return isinstance(pid, int) and (
        identity.get("boot") == owner(os.getpid())["boot"]
        and _started(pid) != identity.get("process")
    )


def _started(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot, None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # behind the name, which may hold anything
    # A zombie has ended; only its parent has not asked yet, and in a container may never ask.
    return None if fields[0] in ("Z", "X") else int(fields[19])
