"""The processes of this host, as proc(5) tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LIBRARY = re.compile(r"livekit_ffi|rtc-ffi-bindings")
"""The native part of LiveKit's SDKs for Python and Node, which every agent has loaded."""

_CONTAINER = re.compile(r"[/:-]([0-9a-f]{64})(?:\.scope)?(?=/|$)", re.MULTILINE)
_UNIT = re.compile(r"/([^/\n]+\.service)$", re.MULTILINE)
_POD = re.compile(r"/kubepods[./]")


@dataclass(frozen=True)
class Process:
    """One process. `net` is its network namespace; `shares_root` tells whether its root directory
    is this host's, and not that of a container or another sandbox."""

    pid: int
    parent: int
    argv: tuple[str, ...]
    exe: str
    uid: int
    gid: int
    cwd: str
    net: str
    shares_root: bool
    cgroup: str

    @property
    def program(self) -> str:
        """The name of the file that runs, whatever it was called as."""
        return self.exe.removesuffix(" (deleted)").rsplit("/", 1)[-1]

    @property
    def user(self) -> str:
        return f"{self.uid}:{self.gid}"

    @property
    def container(self) -> str | None:
        """The id of the innermost container that it runs in."""
        found = _CONTAINER.findall(self.cgroup)
        return found[-1] if found else None

    @property
    def unit(self) -> str | None:
        """The systemd unit that it belongs to, outside containers."""
        found = _UNIT.findall(self.cgroup)
        return found[-1] if found and self.container is None else None

    @property
    def in_kubernetes(self) -> bool:
        """Whether a kubelet started it."""
        return bool(_POD.search(self.cgroup))


class Processes:
    """All processes at one moment. Those that end meanwhile are left out.

    `unreadable` are those that even root cannot read here.
    """

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.proc = proc
        self.unreadable: list[int] = []
        self._found = {item.pid: item for item in self._read()}

    def __getitem__(self, pid: int) -> Process:
        return self._found[pid]

    def __contains__(self, pid: object) -> bool:
        return pid in self._found

    def __iter__(self) -> Iterator[Process]:
        return iter(self._found.values())

    def above(self, pid: int) -> Iterator[Process]:
        """Its parent, the parent of that, and so on."""
        while pid in self._found and self._found[pid].parent in self._found:
            pid = self._found[pid].parent
            yield self._found[pid]

    def environment(self, pid: int) -> dict[str, str]:
        """As it was when the program started; empty when the process has ended."""
        try:
            text = (self.proc / str(pid) / "environ").read_bytes().decode(errors="replace")
        except OSError:
            return {}
        return dict(item.partition("=")[::2] for item in text.split("\0") if "=" in item)

    def mapped(self, pid: int) -> set[str]:
        """The files that it has mapped into its memory: programs and libraries."""
        try:
            text = (self.proc / str(pid) / "maps").read_text(errors="replace")
        except OSError:
            return set()
        return {line[line.index("/") :] for line in text.splitlines() if "/" in line}

    def speaks_livekit(self, pid: int) -> bool:
        """Whether it has loaded one of LiveKit's SDKs."""
        return any(LIBRARY.search(path) for path in self.mapped(pid))

    def inodes(self, pid: int) -> set[int]:
        """The sockets that it holds."""
        found = set()
        try:
            for path in (self.proc / str(pid) / "fd").iterdir():
                try:
                    target = str(path.readlink())
                except OSError:
                    continue
                if target.startswith("socket:["):
                    found.add(int(target[8:-1]))
        except OSError:
            pass
        return found

    def _read(self) -> Iterator[Process]:
        for pid in sorted(int(path.name) for path in self.proc.iterdir() if path.name.isdigit()):
            try:
                process = _process(self.proc / str(pid))
            except PermissionError:
                self.unreadable.append(pid)
                continue
            except (OSError, ValueError, IndexError):
                continue  # it has ended
            if process is not None:
                yield process


def _process(path: Path) -> Process | None:
    argv = tuple((path / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1])
    if not argv:
        return None  # the kernel's own, or a zombie
    fields = (path / "stat").read_text(errors="replace").rpartition(")")[2].split()
    status = (path / "status").read_text(errors="replace")
    return Process(
        pid=int(path.name),
        parent=int(fields[1]),
        argv=argv,
        exe=str((path / "exe").readlink()),
        uid=_id(status, "Uid"),
        gid=_id(status, "Gid"),
        cwd=str((path / "cwd").readlink()),
        net=str((path / "ns/net").readlink()),
        shares_root=(path / "root").samefile("/"),
        cgroup=(path / "cgroup").read_text(errors="replace"),
    )


def _id(status: str, which: str) -> int:
    """The effective user or group."""
    line = next(line for line in status.splitlines() if line.startswith(f"{which}:"))
    return int(line.split()[2])
