"""The files of a project: found, upgraded in memory, and only then written, each in one step."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from releve.upgrade import engine, pins
from releve.upgrade.model import CannotParse, Upgraded

SKIPPED = {"__pycache__", "node_modules", "site-packages", "build", "dist"}


@dataclass(frozen=True)
class File:
    """One file with something to say: rewritten, flagged or both."""

    path: Path
    upgraded: Upgraded

    @property
    def changed(self) -> bool:
        return self.upgraded.after != self.upgraded.before


class Refused(Exception):
    """Some files cannot be read; nothing is written. One sentence a file."""


def upgrade(path: Path) -> list[File]:
    """Every file at or under `path` in which something is to do.

    Raises Refused when one that mentions livekit cannot be parsed, OSError when one cannot be read.
    """
    found, refused = [], []
    for file in files(path):
        source = file.read_bytes()
        if b"livekit" not in source:
            continue
        kind = pins.kind_of(file.name)
        try:
            upgraded = pins.upgrade(source, kind) if kind else engine.upgrade(source)
        except CannotParse as error:
            refused.append(f"{file}: {error}; mend it, or move it out of the way")
            continue
        except Exception as error:  # a fault of ours: say where, and touch nothing
            said = f"{type(error).__name__}: {error}"
            refused.append(
                f"{file}: the tool failed here ({said}); report it, and leave the file out"
            )
            continue
        if upgraded.rewrites or upgraded.flags or upgraded.left or upgraded.after != source:
            found.append(File(file, upgraded))
    if refused:
        raise Refused("\n".join(refused))
    return found


def files(path: Path) -> Iterator[Path]:
    """Python files and files that tell versions, outside hidden folders and environments."""
    if path.is_file():
        yield path
        return
    for folder, names, there in os.walk(path):
        here = Path(folder)
        names[:] = sorted(
            n
            for n in names
            if not n.startswith(".") and n not in SKIPPED and not (here / n / "pyvenv.cfg").exists()
        )
        for name in sorted(there):
            if (name.endswith(".py") or pins.kind_of(name)) and not (here / name).is_symlink():
                yield here / name


def write(file: File) -> None:
    """Replace the file in one step: a reader sees the old text or the new one. Its mode is kept."""
    path = file.path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(file.upgraded.after)
            out.flush()
            os.fsync(out.fileno())
        new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
