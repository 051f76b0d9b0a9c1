"""Two trees side by side: content, owners, modes, links, extended attributes, holes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ..backup.survey import HOLE

BLOCK = 1 << 20


@dataclass
class Comparison:
    """`compared` files and folders; `moved` are those that changed since the backup and can prove
    nothing; `different` says what is wrong, a line each."""

    compared: int = 0
    moved: int = 0
    different: list[str] = field(default_factory=list)


def compare(live: Path, copy: Path, since: float) -> Comparison:
    """Compare what has stood still in `live` since a moment (Unix time) with its restored copy."""
    found = Comparison()
    limit = int(since * 1e9)
    links: dict[tuple[int, int], tuple[int, int]] = {}
    waiting = [""]
    while waiting:
        below = waiting.pop()
        one, other = live / below, copy / below
        try:
            here = one.lstat()
            if stat.S_ISSOCK(here.st_mode):  # belongs to a process, not to a backup
                continue
            wrong = None
            moved = here.st_ctime_ns >= limit
            # In a folder that came since, or has another name since, nothing can be compared.
            if stat.S_ISDIR(here.st_mode) and not (moved and not os.path.lexists(other)):
                waiting += [str(Path(below, name)) for name in os.listdir(one)]  # noqa: PTH208
            if not moved:
                wrong = _difference(one, here, other, links)
                # What changed while it was compared has not stood still either.
                moved = wrong is not None and one.lstat().st_ctime_ns >= limit
        except (FileNotFoundError, NotADirectoryError):  # went since
            found.moved += 1
            continue
        if moved:
            found.moved += not stat.S_ISDIR(here.st_mode)
            continue
        found.compared += 1
        if wrong:
            found.different.append(f"{one}: {wrong}")
    return found


def _difference(
    one: Path,
    here: os.stat_result,
    other: Path,
    links: dict[tuple[int, int], tuple[int, int]],
) -> str | None:
    if not os.path.lexists(other):
        return "not in the backup"
    there = other.lstat()
    if here.st_mode != there.st_mode:
        return f"mode {stat.filemode(here.st_mode)} became {stat.filemode(there.st_mode)}"
    if (here.st_uid, here.st_gid) != (there.st_uid, there.st_gid):
        return f"owner {here.st_uid}:{here.st_gid} became {there.st_uid}:{there.st_gid}"
    if stat.S_ISLNK(here.st_mode):
        return None if one.readlink() == other.readlink() else "the link leads elsewhere"
    if stat.S_ISREG(here.st_mode):
        wrong = _difference_of_files(one, here, other, there, links)
        if wrong:
            return wrong
    if here.st_mtime_ns != there.st_mtime_ns:
        return "the time of its last change is another"
    return None if _attributes(one) == _attributes(other) else "extended attributes differ"


def _difference_of_files(
    one: Path,
    here: os.stat_result,
    other: Path,
    there: os.stat_result,
    links: dict[tuple[int, int], tuple[int, int]],
) -> str | None:
    if here.st_size != there.st_size:
        return f"{here.st_size} bytes became {there.st_size}"
    if here.st_nlink > 1:
        first = links.setdefault((here.st_dev, here.st_ino), (there.st_dev, there.st_ino))
        if first != (there.st_dev, there.st_ino):
            return "no longer the same file under several names"
    # A hole may begin and end elsewhere; that most of it is there is what counts.
    holes = here.st_size - here.st_blocks * 512
    if holes >= HOLE and (there.st_size - there.st_blocks * 512) < holes // 2:
        return "its holes were filled"
    with one.open("rb") as left, other.open("rb") as right:
        while block := left.read(BLOCK):
            if block != right.read(BLOCK):
                return "the content differs"
    return None


def _attributes(path: Path) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
