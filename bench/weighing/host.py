"""Who keeps the host's processors busy: read from the kernel's files once a second, by a thread.

Containers by their cgroups, versions 1 and 2; an engine is asked only for the name of one that is
new. What a container takes between the last look and its end is told as the rest's.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import docker
import numpy as np

GROUPS = {  # by the container's name behind the stack's; "bench" and "busy" are processes
    "callers": re.compile("-(sentinels|probe)"),
    "server": re.compile("[-_]livekit[-_]"),
    "blue": re.compile(r"[-_]agent[-_](\d+|blue)$"),
    "green": re.compile("-agent-green"),
    "gateway": re.compile("-gateway"),
}
WHO = (*GROUPS, "bench", "busy", "rest")
EVERY = 1.0
_TICK = os.sysconf("SC_CLK_TCK")
_CGROUPS = Path("/sys/fs/cgroup")
_OF_CONTAINERS = [
    f"{top}{place}"
    for top in ("cpuacct/", "")
    for place in ("docker/*", "system.slice/docker-*.scope")
]


@dataclass(frozen=True, slots=True)
class Sample:
    """CPU seconds of each of WHO up to now, and the bytes of memory in use."""

    t: float
    cpu: dict[str, float]
    memory: int


class Host:
    """Looks from entering to leaving; what it saw can be asked for any interval in between."""

    def __init__(self, stack: str, bench: Sequence[int], busy: Sequence[int]) -> None:
        """`bench`, `busy`: ids of processes told on their own; this one is the bench's, too."""
        self._stack, self._bench, self._busy = stack, bench, busy
        self._samples: list[Sample] = []
        self._names: dict[str, str | None] = {}
        self._used: dict[str, float] = {}
        self._engine = docker.from_env()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Host:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def cores(self, begin: float, end: float) -> dict[str, float]:
        """Processors that each of WHO kept busy on average."""
        times = [sample.t for sample in self._samples]
        return {
            who: float(
                np.diff(np.interp([begin, end], times, [s.cpu[who] for s in self._samples]))[0]
            )
            / (end - begin)
            for who in WHO
        }

    def memory(self, begin: float, end: float) -> float:
        """The most bytes in use at once."""
        near = [s.memory for s in self._samples if begin - EVERY <= s.t <= end + EVERY]
        return max(near, default=0)

    def _look(self) -> None:
        due = time.monotonic()
        while True:
            self._samples.append(self._sample())
            due += EVERY
            if self._over.wait(max(0.0, due - time.monotonic())):
                self._samples.append(self._sample())
                return

    def _sample(self) -> Sample:
        for path, container in _containers():
            with contextlib.suppress(OSError):  # ended while we looked
                self._used[container] = _cgroup_cpu(path)
        cpu = dict.fromkeys(WHO, 0.0)
        for container, seconds in self._used.items():
            if group := self._group(container):
                cpu[group] += seconds
        cpu["bench"] = time.process_time() + sum(map(_process_cpu, self._bench))
        cpu["busy"] = sum(map(_process_cpu, self._busy))
        cpu["rest"] = _host_cpu() - sum(cpu.values())
        return Sample(time.monotonic(), cpu, _memory())

    def _group(self, container: str) -> str | None:
        if container not in self._names:
            name = None
            with contextlib.suppress(docker.errors.APIError):  # ended before it was asked for
                name = self._engine.containers.get(container).name
            self._names[container] = name
        name = self._names[container]
        if name is None or not name.startswith(self._stack):
            return None
        behind = name.removeprefix(self._stack)
        return next((group for group, named in GROUPS.items() if named.match(behind)), None)


def _containers() -> Iterator[tuple[Path, str]]:
    for place in _OF_CONTAINERS:
        for path in _CGROUPS.glob(place):
            if found := re.search("[0-9a-f]{64}", path.name):
                yield path, found[0]


def _cgroup_cpu(path: Path) -> float:
    with contextlib.suppress(FileNotFoundError):
        return int((path / "cpuacct.usage").read_text()) / 1e9
    return int((path / "cpu.stat").read_text().split("\n", 1)[0].split()[1]) / 1e6


def _process_cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, which whoever started it tells
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICK


def _host_cpu() -> float:
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = (int(ticks) for ticks in fields[:7])
    return (user + nice + system + irq + softirq) / _TICK


def _memory() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    kib = {key: int(rest.split()[0]) for key, rest in (line.split(":") for line in lines)}
    return (kib["MemTotal"] - kib["MemAvailable"]) * 1024
