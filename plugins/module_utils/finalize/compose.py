"""The user's Compose project, once its agent is served by a container of Relève's: `docker compose
up` starts no second one.

The service stays in the user's file, and gets no container by an override file beside it, which
Compose reads by itself. Where Compose does not read one by itself, or there is one of the user's,
nothing is written: the lines to add are said.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .. import override

Run = Callable[[Sequence[str], str], str]


class ComposeError(Exception):
    """The project cannot be read, or has to be changed by its owner; the message says how."""


@dataclass(frozen=True)
class Project:
    """Where a project is, and how Compose is called for it."""

    folder: Path
    files: tuple[str, ...]
    command: tuple[str, ...]

    @property
    def plain(self) -> bool:
        """Whether Compose finds the file by itself, and so an override beside it."""
        return (
            len(self.files) == 1
            and self.main.name in override.BASES
            and self.main.parent == self.folder
        )

    @property
    def main(self) -> Path:
        """The file that the project was started from."""
        return self.folder / self.files[0]

    @property
    def override(self) -> Path:
        """The override file that Compose reads by itself: the one there is, or the one to write."""
        there = override.there(self.main.parent)
        return (there or [self.main.with_name(f"{self.main.stem}.override{self.main.suffix}")])[0]

    @property
    def argv(self) -> list[str]:
        """Compose, called as the user calls it."""
        return [*self.command, *([] if self.plain else [f"--file={one}" for one in self.files])]


def run(argv: Sequence[str], folder: str) -> str:
    """What a command prints. Raises ComposeError with what it said when it fails."""
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ComposeError(f"{argv[0]} in {folder}: {error.strerror}") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise ComposeError(
            f"Compose cannot read the project in {folder}: {said[-1] if said else done.returncode}"
        )
    return done.stdout


def project(folder: str, files: Sequence[str], command: Sequence[str]) -> Project:
    """The project of the labels that Compose has given the server's container; an override that
    Compose reads by itself is not named."""
    home = Path(folder)
    found = Project(home, tuple(files[:1]), tuple(command))
    if found.plain and [home / one for one in files[1:]] in ([], [found.override]):
        return found
    return Project(home, tuple(files), tuple(command))


def starts(of: Project, service: str, execute: Run = run) -> bool:
    """Whether `docker compose up` starts a container of the service. Raises ComposeError."""
    return _starts(_config(of, execute), service)


def _config(of: Project, execute: Run) -> dict[str, Any]:
    """The project as Compose reads it, with all its files."""
    return yaml.safe_load(execute([*of.argv, "config"], str(of.folder))) or {}


def _starts(read: dict[str, Any], service: str) -> bool:
    """Whether `docker compose up` starts a container of the service."""
    found: dict[str, Any] | None = (read.get("services") or {}).get(service)
    if found is None or found.get("profiles"):
        return False
    deploy = found.get("deploy") or {}
    return found.get("scale") != 0 and deploy.get("replicas") != 0


def wanted(of: Project, service: str, execute: Run = run) -> str | None:
    """The text of the override file, None where nothing has to be written.

    Other services that Relève has changed stay in it. Raises ComposeError where the owner has to
    write the lines.
    """
    read = _config(of, execute)
    if not _starts(read, service):
        return None
    theirs = read["services"][service]
    none = {"scale": 0} if "scale" in theirs else {"deploy": {"replicas": 0}}
    lines = yaml.safe_dump({"services": {service: none}}, sort_keys=False)
    if not of.plain:
        raise ComposeError(
            f"`docker compose up` in {of.folder} would start a second agent, and Compose reads no "
            f"override file there by itself. Add to {of.files[-1]}, then run again:\n{lines}"
        )
    there = of.override
    if there.exists() and not override.is_ours(there):
        raise ComposeError(
            f"`docker compose up` in {of.folder} would start a second agent. Add to {there}, which "
            f"is yours, then run again:\n{lines}"
        )
    return override.text(override.services(there) | {service: none}, of.main)


def write(of: Project, text: str, service: str, execute: Run = run) -> None:
    """Have the override file, and see that Compose obeys it. Raises ComposeError."""
    there = of.override
    before = there.read_text(encoding="utf-8") if there.exists() else None
    new = there.with_name(f".{there.name}.new")
    new.write_text(text, encoding="utf-8")
    owner = of.main.stat()
    os.chown(new, owner.st_uid, owner.st_gid)
    new.chmod(owner.st_mode & 0o777)
    new.replace(there)
    if starts(of, service, execute):
        if before is None:
            there.unlink()
        else:
            there.write_text(before, encoding="utf-8")
        raise ComposeError(
            f"with {there} `docker compose up` would start the service {service} all the same; it "
            f"is as it was before. Remove the service from {of.main}, then run again"
        )
