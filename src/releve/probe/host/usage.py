"""CPU and memory of everything on the host except this probe.

A container sees its host's /proc/stat and /proc/meminfo, so nothing is needed there. It is the
host of the agent only where the probe runs beside it, as `probe.yml` does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from releve.probe.host.capacity import busy_seconds
from releve.probe.host.own_cost import own_cpu


@dataclass(frozen=True, slots=True)
class HostUsage:
    """Busy cores and used memory, without those of this process."""

    cores: float
    memory_bytes: int


class UsageMeter:
    """Measures from construction to `read`."""

    def __init__(self) -> None:
        self._others, self._wall = _others_cpu(), time.monotonic()

    def read(self) -> HostUsage:
        """Raises OSError or ValueError where the kernel is no Linux."""
        wall = max(time.monotonic() - self._wall, 1e-9)
        return HostUsage(round((_others_cpu() - self._others) / wall, 3), _others_memory())


def _others_cpu() -> float:
    """CPU seconds since the machine started, less our own."""
    return busy_seconds() - own_cpu()


def _others_memory() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    kib = {key: int(rest.split()[0]) for key, rest in (line.split(":") for line in lines)}
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    used = (kib["MemTotal"] - kib["MemAvailable"]) * 1024
    return used - pages * os.sysconf("SC_PAGE_SIZE")
