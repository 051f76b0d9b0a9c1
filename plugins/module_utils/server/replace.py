"""The server replaced: files written, service recreated; put back where it does not come up."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .health import Health
from .place import KEYS, OURS, ServerError, owner_of


@dataclass(frozen=True)
class Kept:
    """A file as it was: its content, None where there was none, its mode and owner."""

    content: bytes | None
    mode: int
    owner: tuple[int, int]


@dataclass(frozen=True)
class Before:
    """What to go back to: the inspected container, and who was registered."""

    attrs: Mapping[str, Any]
    who: set[str]


class Replacement:
    """Of one service, by the user's Compose in the project's folder."""

    def __init__(
        self, client: Any, compose: Sequence[str], project: Path, service: str, health: Health
    ) -> None:
        """`compose` is the command with the options that name project and variables."""
        self._client = client
        self._compose = list(compose)
        self._project = project
        self._service = service
        self._health = health

    def replace(self, changes: Mapping[Path, str | None], before: Before, port: int) -> None:
        """Raises ServerError when the new one does not come up; the old one is back then, or the
        sentence says that it is not."""
        kept = {file: _kept(file, owner_of(before.attrs)) for file in changes}
        try:
            for file, text in changes.items():
                content = text.encode() if text is not None else None
                _write(file, replace(kept[file], content=content))
            self._run("config", "--quiet")  # before anything is recreated
            self._up()
            failed = self._health.missing(port, before.who)
        except ServerError as error:
            failed = str(error)
        except OSError as error:
            failed = f"{error.filename}: {error.strerror}"
        if failed is not None:
            raise ServerError(self._back(failed, kept, before, port))

    def _back(self, why: str, kept: Mapping[Path, Kept], before: Before, port: int) -> str:
        """Files and image as before; the sentence to end with."""
        try:
            for file, was in kept.items():
                _write(file, was)
            self._image_back(before.attrs)
            self._up()
            still = self._health.missing(port, before.who)
        except (ServerError, OSError) as error:
            still = str(error)
        if still is not None:
            return (
                f"the server with the new image or configuration is refused: {why}. The files of "
                f"before are back, and yet: {still}. Look at `docker logs` of service "
                f"{self._service}"
            )
        all_of = ", ".join(sorted(before.who)) or "nobody"
        return (
            f"the server with the new image or configuration is refused: {why}. Image and "
            f"configuration of before are back; it answers, and registered again: {all_of}"
        )

    def _image_back(self, attrs: Mapping[str, Any]) -> None:
        """The name under which it ran means that image again: a floating tag may have moved."""
        name, was = attrs["Config"]["Image"], attrs["Image"]
        if "@" in name or name == was:
            return
        repository, _, tag = name.rpartition(":")
        if "/" in tag or not repository:
            repository, tag = name, "latest"
        self._client.images.get(was).tag(repository, tag)

    def _up(self) -> None:
        self._run("up", "--detach", "--no-deps", self._service)

    def _run(self, *words: str) -> None:
        done = subprocess.run(
            [*self._compose, *words],
            cwd=self._project,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            raise ServerError(f"{self._compose[0]} {words[0]}: {lines[-1] if lines else 'failed'}")


def _kept(file: Path, server: tuple[int, int]) -> Kept:
    if file.exists():
        about = file.stat()
        return Kept(file.read_bytes(), about.st_mode & 0o777, (about.st_uid, about.st_gid))
    # A configuration has keys in it; a compose file is for whoever runs Compose.
    return Kept(None, 0o600, server) if file.name in (OURS, KEYS) else Kept(None, 0o644, (0, 0))


def _write(file: Path, wanted: Kept) -> None:
    """Whole or not at all. A container that has the old file mounted keeps it."""
    if wanted.content is None:
        file.unlink(missing_ok=True)
        return
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(wanted.content)
        out.flush()
        os.fchown(handle, *wanted.owner)
        os.fchmod(handle, wanted.mode)
        os.fsync(handle)
    part.replace(file)
