"""One backup, verification or restore at a time per repository."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from .contents import BackupError


@contextlib.contextmanager
def alone(home: Path, run: str) -> Iterator[None]:
    """Hold the repository's lock. Raises BackupError when it is taken."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (home / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise BackupError(
            f"{home} cannot be written ({error.strerror}); mend that, or set `backup_dir` to "
            "another folder"
        ) from None
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise BackupError(
                f"run {file.read() or '?'} uses this repository just now; wait until it is over"
            ) from None
        file.truncate(0)
        file.write(run)
        file.flush()
        yield
