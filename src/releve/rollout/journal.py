"""A rollout's journal: JSON lines, each synced before anything is done about it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class JournalError(ValueError):
    """The journal cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `t`: monotonic seconds of the boot named by `boot`; `at`: UTC."""

    event: str
    t: float
    at: str = ""
    boot: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """One line of the file, with its end."""
        own = {"event": self.event, "t": self.t, "at": self.at, "boot": self.boot}
        return json.dumps({**own, **self.facts}) + "\n"


def happened(event: str, facts: Mapping[str, Any]) -> Entry:
    """An entry of this moment."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Entry(event, round(time.monotonic(), 4), now, boot_id(), facts)


@cache
def boot_id() -> str:
    """The name of this boot of the host: monotonic times of another one mean nothing."""
    return BOOT_ID.read_text(encoding="ascii").strip()


class Journal:
    """The file at `path`, mode 0600; `entries` are all there are."""

    def __init__(self, path: Path) -> None:
        """Raises JournalError for a damaged file, OSError where it cannot be opened.

        A last line that a crash cut short is removed.
        """
        self.path = path
        new = not path.exists()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if new:
            _sync_folder(path.parent)
        self.entries = read(path)
        self._size = sum(len(line) for line in _whole_lines(path))
        os.ftruncate(self._file, self._size)

    def append(self, entry: Entry) -> None:
        """Returns when the entry is on disk. Raises OSError, and then it is not there."""
        line = entry.line().encode()
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(line)
        self.entries.append(entry)

    def close(self) -> None:
        os.close(self._file)


def read(path: Path) -> list[Entry]:
    """All entries but a last one cut short. Raises JournalError and OSError."""
    entries = []
    for number, line in enumerate(_whole_lines(path), 1):
        try:
            raw = json.loads(line)
            own = {name: raw.pop(name) for name in ("event", "t", "at", "boot")}
            entries.append(Entry(**own, facts=raw))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise JournalError(
                f"journal {path}, line {number}: damaged ({error}); look at the gateway's weights "
                "(`releve gateway state`), then move the file away"
            ) from error
    return entries


def _whole_lines(path: Path) -> list[bytes]:
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
