"""A backup, proven: every byte read, restored beside the original, compared with it."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ..backup.archive import Archive, open_archive, prove_images
from ..backup.contents import BackupError
from ..backup.disk_space import need_room
from ..backup.repository_lock import alone
from ..backup.retention import runs, unix_time
from ..restic.repository import Restic, ResticError
from .compare import compare

SHOWN = 20  # complaints that a report quotes


def verify(restic: Restic, wanted: str, scratch: Path, run: str) -> tuple[Archive, dict[str, Any]]:
    """Read, restore below `scratch`, compare. `wrong` is empty when all is well, else a line for
    each thing that is not. Raises BackupError, ResticError when it cannot be told."""
    began = time.monotonic()
    with alone(restic.home, run):
        restic.progress("reading every byte")
        wrong = restic.check()
        try:
            archive = open_archive(restic, wanted)
        except (BackupError, ResticError) as error:
            if wrong:  # the list of what belongs together is itself among what is damaged
                told = "; ".join(wrong[:SHOWN])
                raise BackupError(f"backup {wanted} cannot be opened ({error}): {told}") from error
            raise
        need_room([(scratch, archive.size(*archive.trees))])
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, mode=0o700)
        restic.progress("restoring files")
        wrong += archive.restore(archive.trees, scratch)
        compared = moved = 0
        for tree in archive.trees:
            restic.progress(f"comparing {tree.name}")
            since = unix_time(_snapshot_time(restic, archive, tree.path))
            found = compare(Path(tree.path), scratch / tree.path.lstrip("/"), since)
            compared, moved = compared + found.compared, moved + found.moved
            wrong += found.different
        restic.progress("images")
        wrong += prove_images(archive)
    return archive, {
        "snapshot": archive.id,
        "seconds": round(time.monotonic() - began, 3),
        "compared": compared,
        "moved": moved,
        "images": len(archive.images),
        "wrong": wrong[:SHOWN],
        "wrong_count": len(wrong),
    }


def _snapshot_time(restic: Restic, archive: Archive, path: str) -> str:
    snapshot = archive.where[path]
    if snapshot == archive.saved["id"]:
        return str(archive.saved["time"])
    return str(next(item["time"] for item in restic.snapshots() if item["id"] == snapshot))


def backups(restic: Restic, now: float) -> list[dict[str, Any]]:
    """Every whole backup, oldest first: snapshot, run, age in hours, verified."""
    if not restic.exists():
        return []
    return [
        {
            "snapshot": item["short_id"],
            "run": item["tags"][1],
            "age_hours": round((now - unix_time(item["time"])) / 3600, 2),
            "verified": (restic.home / "verified" / f"{item['short_id']}.json").exists(),
        }
        for item in runs(restic.snapshots())
    ]


def write_mark(home: Path, snapshot: str, run: str) -> None:
    """Remember that a backup was verified, and when."""
    folder = home / "verified"
    folder.mkdir(exist_ok=True, mode=0o700)
    fresh = folder / f"{snapshot}.new"
    fresh.write_text(json.dumps({"snapshot": snapshot, "run": run, "at": int(time.time())}))
    os.replace(fresh, folder / f"{snapshot}.json")  # noqa: PTH105
