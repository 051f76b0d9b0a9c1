"""CPU that the probe itself uses, so that it is not attributed to the agent."""

from __future__ import annotations

import resource
import time


class OwnCostMeter:
    """CPU of this process from construction to `read`: all threads, no child processes."""

    def __init__(self) -> None:
        self._cpu, self._wall = own_cpu(), time.monotonic()

    def read(self, calls: int) -> dict[str, float | None]:
        """CPU seconds since the start, and the share of one core that each call took."""
        cpu, wall = own_cpu() - self._cpu, time.monotonic() - self._wall
        share = round(cpu / wall / calls, 4) if calls and wall > 0 else None
        return {"cpu_s": round(cpu, 3), "cores_per_call": share}


def own_cpu() -> float:
    """CPU seconds of this process since its start."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
