"""The files of a folder, and which of them changed while it was read. Follows no links."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

HOLE = 65536  # bytes; less is how file systems store small files


@dataclass
class Survey:
    """`files` maps a path to what changes when it does: time, size, inode. `bytes` are without
    holes; `sparse` holds the files that have some."""

    bytes: int = 0
    count: int = 0
    files: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    sparse: list[str] = field(default_factory=list)

    def newer(self, seconds: float, known: Collection[str]) -> int:
        """Bytes of the files that changed after a moment (Unix time), or lie in no known path."""
        limit = int(seconds * 1e9)
        below = tuple(f"{path}/" for path in known)
        return sum(
            size
            for path, (changed, size, _) in self.files.items()
            if changed >= limit or not (path in known or path.startswith(below))
        )

    def apparent(self, tree: str) -> int:
        """Bytes of the files in one path, holes included: a restore writes them out first."""
        below = f"{tree}/"
        return sum(
            size
            for path, (_, size, _) in self.files.items()
            if path == tree or path.startswith(below)
        )

    def moved(self, later: Survey) -> list[str]:
        """Files that are in `later` new or other than here: what was read of them may be torn."""
        return sorted(path for path, mark in later.files.items() if self.files.get(path) != mark)


def survey(paths: Iterable[str]) -> Survey:
    """Everything below the paths. What vanishes meanwhile is left out."""
    found = Survey()
    seen: set[tuple[int, int]] = set()
    for path, info in _walk(paths):
        found.count += 1
        if not stat.S_ISREG(info.st_mode):
            continue
        found.files[path] = (info.st_ctime_ns, info.st_size, info.st_ino)
        if info.st_nlink > 1:
            if (info.st_dev, info.st_ino) in seen:
                continue
            seen.add((info.st_dev, info.st_ino))
        hole = info.st_size - info.st_blocks * 512
        if hole >= HOLE:
            found.sparse.append(path)
        # A hole costs nothing in the repository either.
        found.bytes += info.st_size - hole if hole >= HOLE else info.st_size
    return found


def _walk(paths: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    waiting = list(paths)
    for path in waiting:
        try:
            yield path, os.lstat(path)
        except FileNotFoundError:
            continue
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    try:
                        info = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    yield entry.path, info
                    if stat.S_ISDIR(info.st_mode):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
