"""One tree put back.

It is restored beside its place and moved there when it is complete; what was there is kept until
then, so that a restore that fails leaves the place as it was.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..backup.archive import Archive, NotWholeError
from ..backup.contents import Tree


def put_back(archive: Archive, tree: Tree, place: Path) -> None:
    """Restore a tree beside its place and let it take the place. Raises NotWholeError: then the
    place is as it was."""
    fresh, old = (place.parent / f".{place.name}.releve-{kind}" for kind in ("new", "old"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(old) and not os.path.lexists(place):
            old.rename(place)  # of a restore that was killed in between
        for leftover in (fresh, old):
            _remove(leftover)
        fresh.mkdir(mode=0o700)  # nobody else reads it meanwhile, or puts a link in its way
        try:
            complaints = archive.restore([tree], fresh)
            copy = fresh / tree.path.lstrip("/")
            if complaints or not os.path.lexists(copy):
                why = complaints[0] if complaints else "it is not in the backup"
                raise NotWholeError(
                    f"{tree.path} cannot be restored whole, and was left as it is: {why}"
                )
            _exchange(copy, place, old)
        finally:
            _remove(fresh)
        _remove(old)
    except OSError as error:
        raise NotWholeError(
            f"{place} cannot be replaced ({error.strerror}), and was left as it is; a mount point "
            "can only be restored when it is unmounted"
        ) from error


def _exchange(copy: Path, place: Path, old: Path) -> None:
    if os.path.lexists(place):
        place.rename(old)
    try:
        copy.rename(place)
    except OSError:
        if os.path.lexists(old):
            old.rename(place)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
