"""How many held calls, and how many new rooms a second, the host has capacity for.

The rules are pure. `CpuMeter` and `waiting_seconds` read /proc, which a container sees as its host
does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

MOST_CALLS = 3
CALLS_SHARE = 0.1  # of the host's processors, for the calls that we hold
BUSY_SHARE = 0.6  # of the host's processors, beyond which no further call is held
CLOSEST_SECONDS, FARTHEST_SECONDS = 1.5, 2.5  # between two rooms of a burst
ROOM_CORE_SECONDS = 1.0  # what a new room takes until it was measured: between 0.3 and 1.5
CROWDED = 0.8  # of a second in which some task waited for a processor


@dataclass(frozen=True, slots=True)
class Sizing:
    """How many calls are held, what one costs (cores: agent, caller and server), and why."""

    calls: int
    cores_per_call: float
    busy_cores: float
    why: str


def held_calls(
    cores: int, before: float, with_one: float, own: float, share: float = CALLS_SHARE
) -> Sizing:
    """How many calls to hold: from the cores that were busy before the first one, and with it.

    `own`: what this caller's process took of them. Others come and go, so it is a lower bound: an
    agent and the server take at least twice as much (bench/weight.py). `share`: of the processors,
    for all of them.
    """
    cost = max(with_one - before, 3 * own, 0.01)
    by_share = int(share * cores / cost)
    by_busy = (
        1 + int((BUSY_SHARE * cores - with_one) / cost) if with_one < BUSY_SHARE * cores else 1
    )
    calls = max(1, min(MOST_CALLS, by_share, by_busy))
    why = (
        f"one call takes {cost:.2f} of {cores} cores, {with_one:.2f} are busy with it; held calls "
        f"get {share:.0%} of the cores, on a host that is at most {BUSY_SHARE:.0%} busy"
    )
    return Sizing(calls, round(cost, 3), round(with_one, 3), why)


def room_spacing(cores: int, busy: float, core_seconds: float) -> float:
    """Seconds between two rooms of a burst, so that they take three quarters of what is free."""
    free = max(0.75 * (cores - busy), 0.1)
    return min(max(core_seconds / free, CLOSEST_SECONDS), FARTHEST_SECONDS)


class CpuMeter:
    """CPU time of the whole host since the meter was made."""

    def __init__(self) -> None:
        self._since, self._wall = busy_seconds(), time.monotonic()

    def seconds(self) -> float:
        """CPU seconds since then."""
        return busy_seconds() - self._since

    def cores(self) -> float:
        """Average number of busy cores since then."""
        return self.seconds() / max(time.monotonic() - self._wall, 1e-9)

    def share(self) -> float:
        """The fraction of all cores that was busy since then, 1 at most."""
        return round(min(self.cores() / (os.cpu_count() or 1), 1.0), 3)


def busy_seconds() -> float:
    """CPU seconds of the host since boot. Raises OSError if this is not Linux."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(ticks) for ticks in fields[:7])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def waiting_seconds() -> float | None:
    """Seconds in which some task waited for a processor, since the host started.

    From /proc/pressure/cpu (Linux, accounting/psi.rst); None where the kernel does not tell.
    """
    try:
        some = Path("/proc/pressure/cpu").read_text(encoding="ascii").split("\n", 1)[0]
        return int(some.rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return None
