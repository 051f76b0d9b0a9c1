"""What the host tells of a release: whether what is mounted is there, and who may open it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from . import mounts
from .wanted import ReleaseError, env_file

AGAIN_SECONDS = 0.5  # a lock for one transaction is gone by then


def variables_of(paths: Iterable[str]) -> dict[str, str]:
    """The variables of all env files, the last one's first. Raises ReleaseError."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            said = getattr(error, "strerror", None) or "is no text"
            raise ReleaseError(f"release.env_files names {path} on the target: {said}") from error
        found |= env_file(path, text)
    return found


def missing(host: Mapping[str, Any]) -> list[str]:
    """A sentence for each file or folder that is to be mounted and is not there: the engine would
    make an empty folder of it, and say nothing."""
    return [
        f"{one.source}, which is to be mounted at {place}, is not on the target"
        for place, one in sorted(mounts.of_host(host).items())
        if one.kind == "bind" and not Path(one.source).exists()
    ]


def shared(current: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, mounts.Mount]:
    """By place in the container in service, what both it and the release would write to."""
    asked = dict(current["HostConfig"])
    asked["Binds"] = [*(asked.get("Binds") or ()), *mounts.unnamed(current)]
    wanted = mounts.of_host(host).values()
    written = {(one.kind, one.source) for one in wanted if one.writes and one.kind != "tmpfs"}
    return {
        place: one
        for place, one in mounts.of_host(asked).items()
        if one.writes and (one.kind, one.source) in written
    }


def locked(pid: int, places: Collection[str], proc: Path = Path("/proc")) -> set[str]:
    """Files at these places in a container that its processes hold an exclusive lock on, now.

    Told by the kernel; a process that ends meanwhile holds none.
    """
    held = {
        match[1]
        for match in re.finditer(
            r"^\d+: \w+ +\w+ +WRITE -?\d+ (\S+:\S+:\d+) ",
            (proc / "locks").read_text(),
            re.MULTILINE,
        )
    }
    found = set()
    for process in _tree(pid, proc):
        for file in _listed(process / "fd"):
            try:
                path, about = str(file.readlink()), file.stat()
            except OSError:
                continue
            inode = f"{about.st_dev >> 8 & 0xFFF:02x}:{about.st_dev & 0xFF:02x}:{about.st_ino}"
            if inode in held and any(path.startswith(f"{place}/") for place in places):
                found.add(path)
    return found


def kept_locked(
    pid: int, places: Collection[str], pause: Callable[[float], object] = time.sleep
) -> set[str]:
    """Those that are still locked a moment later: as long as the process runs."""
    first = locked(pid, places)
    if not first:
        return first
    pause(AGAIN_SECONDS)
    return first & locked(pid, places)


def _tree(pid: int, proc: Path) -> list[Path]:
    found, waiting = [], [pid]
    while waiting:
        process = proc / str(waiting.pop())
        found.append(process)
        for children in process.glob("task/*/children"):
            try:
                waiting += map(int, children.read_text().split())
            except OSError:
                continue
    return found


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
