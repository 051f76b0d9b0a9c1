"""The processes that a rule on the host's network catches: a cgroup of version 2.

A socket keeps the cgroup in which it was created, and a rule names one by its path. Where the
engine puts each container into one, it is the container's. Elsewhere (a host that has both
versions, so that this one accounts for nothing) a folder is made for the adoption, and the worker's
main process is in it meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from .command import AdoptionError

MOUNTS = Path("/proc/mounts")
PROC = Path("/proc")
NONE = "this host has no cgroup file system of version 2, by which a rule can name the agent alone"


class Group:
    """Of one container's worker."""

    def __init__(self, pid: int, container: str, mounts: Path = MOUNTS, proc: Path = PROC) -> None:
        """`pid` is a process of the container with this id. Raises AdoptionError."""
        self._root = root(mounts)
        self._before = _path_of(pid, proc)
        self._of_the_engine = container in self._before
        if not self._of_the_engine and (self._root / "cgroup.subtree_control").read_text().strip():
            raise AdoptionError(
                f"the container's processes are in the cgroup /{self._before}, which is not its own"
            )
        self.path = self._before if self._of_the_engine else f"releve-adoption-{container[:12]}"

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """The group exists inside the `with` block; who was put in is back after it."""
        folder = self._root / self.path
        if self._of_the_engine:
            yield
            return
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise AdoptionError(f"{folder} cannot be made: {error.strerror}") from error
        try:
            yield
        finally:
            self._clear(folder)

    def take(self, pid: int) -> None:
        """Put the worker's process in; its sockets from now on are the group's."""
        if not self._of_the_engine:
            _put(self._root / self.path, pid)

    def sweep(self) -> None:
        """Remove what an adoption left that was killed."""
        folder = self._root / self.path
        if not self._of_the_engine and folder.exists():
            self._clear(folder)

    def _clear(self, folder: Path) -> None:
        """Everybody back to where the worker was: also whom it started meanwhile."""
        for pid in (folder / "cgroup.procs").read_text().split():
            with contextlib.suppress(AdoptionError):  # it has ended
                _put(self._root / self._before, int(pid))
        with contextlib.suppress(OSError):  # who was started just now; the next run removes it
            folder.rmdir()


def root(mounts: Path = MOUNTS) -> Path:
    """Where the file system is mounted. Raises AdoptionError."""
    for line in mounts.read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise AdoptionError(NONE)


def _path_of(pid: int, proc: Path) -> str:
    """The group of a process, without the slash before it."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError as error:
        raise AdoptionError(f"process {pid} ended meanwhile; run again") from error
    return next((line[4:] for line in lines if line.startswith("0::/")), "")


def _put(folder: Path, pid: int) -> None:
    try:
        (folder / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        raise AdoptionError(
            f"process {pid} cannot be moved to {folder}: {error.strerror}"
        ) from error
