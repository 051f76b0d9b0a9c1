"""Free space on the file systems that will be written to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from .contents import BackupError


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(item for item in (path, *path.parents) if item.exists())


def need_room(wanted: Iterable[tuple[Path, int]]) -> None:
    """`wanted` are places, which need not exist yet, and the bytes that go there. Raises
    BackupError when a file system has less free space than they need together."""
    disks: dict[int, tuple[Path, int]] = {}
    for path, size in wanted:
        place = existing(path)
        shown, sum_so_far = disks.get(place.stat().st_dev, (place, 0))
        disks[place.stat().st_dev] = shown, sum_so_far + size
    for place, needed in disks.values():
        free = shutil.disk_usage(place).free
        if free < needed:
            raise BackupError(
                f"the disk of {place} has {free / 1e6:.0f} MB free and what is put there needs "
                f"{needed / 1e6:.0f} MB; make room. Nothing was touched"
            )
