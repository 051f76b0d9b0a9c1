"""TCP connections in every network namespace of this host, and who holds them."""

from __future__ import annotations

import ctypes
import http.client
import ipaddress
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Thread

from .processes import Process, Processes

ESTABLISHED, LISTEN = "01", "0A"
CLONE_NEWNET = 0x40000000
ANSWER_BYTES = 65_536


@dataclass(frozen=True)
class End:
    """An address and a port; IPv4 is written as IPv4, also where the kernel maps it."""

    address: str
    port: int

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"

    @property
    def loopback(self) -> bool:
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def anywhere(self) -> bool:
        """Listening on every address."""
        return ipaddress.ip_address(self.address).is_unspecified


@dataclass(frozen=True)
class Socket:
    """One TCP socket: here, there, and its number."""

    here: End
    there: End
    state: str
    inode: int


class Sockets:
    """The TCP sockets of every network namespace that has a process."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        first: dict[str, int] = {}
        for process in processes:
            first.setdefault(process.net, process.pid)
        self._tables = {net: self._read(pid) for net, pid in first.items()}

    def of(self, process: Process) -> list[Socket]:
        """What a process holds."""
        mine = self._held.get(process.pid, set())
        return [item for item in self._tables[process.net] if item.inode in mine]

    def listening(self, process: Process) -> list[End]:
        """Where it accepts connections, the lowest port first."""
        found = {item.here for item in self.of(process) if item.state == LISTEN}
        return sorted(found, key=lambda end: (end.port, end.address))

    def connected(self, process: Process) -> list[Socket]:
        """Its connections that stand, also those that others opened to it."""
        return [item for item in self.of(process) if item.state == ESTABLISHED]

    def peer(self, process: Process, socket: Socket) -> Process | None:
        """The process at the other end of a connection; None when it is not on this host.

        `process` must be the one that opened it. Only its own address is the same at both ends:
        DNAT, as for Docker's published ports and in an adoption, changes the other one.
        """
        for net, table in self._tables.items():
            if socket.here.loopback and net != process.net:
                continue
            for other in table:
                if other.there == socket.here and other.inode != socket.inode:
                    return self._holder(net, other.inode)
        return None

    def _holder(self, net: str, inode: int) -> Process | None:
        """The process nearest to the top that holds a socket: children inherit it."""
        pids = {process.pid for process in self._processes if inode in self._held[process.pid]}
        for pid in sorted(pids):
            if not any(above.pid in pids for above in self._processes.above(pid)):
                return self._processes[pid]
        return None

    @cached_property
    def _held(self) -> dict[int, set[int]]:
        return {process.pid: self._processes.inodes(process.pid) for process in self._processes}

    def _read(self, pid: int) -> list[Socket]:
        found = []
        for name in ("tcp", "tcp6"):
            for line in _lines(self._processes.proc / str(pid) / "net" / name)[1:]:
                _, here, there, state, _, _, _, _, _, inode, *_ = line.split()
                if state in (ESTABLISHED, LISTEN):
                    found.append(Socket(_end(here), _end(there), state, int(inode)))
        return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # the process has ended, or there is no IPv6
        return []


def _end(text: str) -> End:
    """An address as the kernel prints it: words of 32 bits, each in the order of this machine."""
    words, port = text.split(":")
    packed = b"".join(
        struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8)
    )
    address = ipaddress.ip_address(packed)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return End(str(address), int(port, 16))


def http_get(pid: int, end: End, path: str, seconds: float = 1.0) -> tuple[int, str] | None:
    """Status and text of GET `path` at `end`, sent from the network namespace of a process.

    None where there is no answer by HTTP. Only a short-lived thread of ours enters the namespace.
    """
    said: list[tuple[int, str]] = []
    asking = Thread(target=_ask, args=(pid, end, path, seconds, said), daemon=True)
    asking.start()
    asking.join(3 * seconds)  # an answer of a byte a second never times out by itself
    return said[0] if said else None


def _ask(pid: int, end: End, path: str, seconds: float, said: list[tuple[int, str]]) -> None:
    host = "localhost" if end.anywhere else end.address
    connection = http.client.HTTPConnection(host, end.port, timeout=seconds)
    try:
        with Path(f"/proc/{pid}/ns/net").open() as there:
            if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
                return
        connection.request("GET", path)
        answer = connection.getresponse()
        said.append((answer.status, answer.read(ANSWER_BYTES).decode(errors="replace")))
    except (OSError, http.client.HTTPException):
        return
    finally:
        connection.close()
