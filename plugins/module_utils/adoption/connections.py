"""Which of the connections to a server is the worker's own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass

from .. import proc
from .command import AdoptionError, ProcessGone


@dataclass(frozen=True)
class Endpoint:
    """An address and a TCP port; IPv6 is written without brackets."""

    address: str
    port: int

    def __str__(self) -> str:
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else f"{self.address}:{self.port}"
        )

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback


@dataclass(frozen=True)
class Connection:
    """One established connection, both ends, and the process that holds it."""

    here: Endpoint
    there: Endpoint
    pid: int


def parse_connections(text: str) -> list[Connection]:
    """Connections from `ss -Htnp` lines; one per process that holds the socket."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5:
            continue
        here, there = _end(fields[2]), _end(fields[3])
        found += [Connection(here, there, int(pid)) for pid in re.findall(r"pid=(\d+)", line)]
    return found


def _end(text: str) -> Endpoint:
    """As ss prints it: IPv6 in brackets, IPv4 that a socket for IPv6 has as `::ffff:`."""
    address, _, port = text.rpartition(":")
    plain = address.strip("[]").partition("%")[0].removeprefix("::ffff:")
    return Endpoint(plain, int(port))


def parent_of(pid: int) -> int:
    """The parent's process id, 0 at the top. Raises ProcessGone."""
    try:
        return int(proc.stat(proc.path(pid))[1])
    except OSError as error:
        raise ProcessGone(f"process {pid} ended meanwhile; run again") from error


def worker_connection(
    connections: list[Connection], top: int, parent: Callable[[int], int] = parent_of
) -> Connection:
    """The worker's own connection: the one held by the process nearest to `top`, the container's
    first, among those below it: on the host's network others speak to the server, too.

    Raises AdoptionError when that is not exactly one, because then it could be a call's.
    """
    depths: dict[Connection, int] = {}
    for item in connections:
        depth = _depth(item.pid, top, parent)
        if depth is not None:
            depths[item] = depth
    if not depths:
        raise AdoptionError("the agent has no connection to the server; is it registered?")
    nearest = [item for item, steps in depths.items() if steps == min(depths.values())]
    if len(nearest) != 1:
        raise AdoptionError(
            f"the agent's main process holds {len(nearest)} connections to the server, and one "
            "may be a call's; only agents with a process per job can be adopted"
        )
    return nearest[0]


def _depth(pid: int, top: int, parent: Callable[[int], int]) -> int | None:
    """How many parents are between a process and `top`; None where it is not below it."""
    steps = 0
    while pid != top:
        if pid in (0, 1):
            return None
        pid, steps = parent(pid), steps + 1
    return steps
