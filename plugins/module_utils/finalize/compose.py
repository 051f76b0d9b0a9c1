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

MARK = "# Written by Relève"
TEXT = """{mark} (playbooks/finalize.yml). The agent of this stack is a container of Relève's, so
# that `docker compose up` must not start another one. To have the service again: remove this file.
{body}"""
BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
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
        return len(self.files) == 1 and self.main.name in BASES and self.main.parent == self.folder

    @property
    def main(self) -> Path:
        """The file that the project was started from."""
        return self.folder / self.files[0]

    @property
    def override(self) -> Path:
        """The override file that Compose reads by itself."""
        return self.main.with_name(f"{self.main.stem}.override{self.main.suffix}")

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
    read = yaml.safe_load(execute([*of.argv, "config"], str(of.folder))) or {}
    found: dict[str, Any] | None = (read.get("services") or {}).get(service)
    if found is None or found.get("profiles"):
        return False
    deploy = found.get("deploy") or {}
    return found.get("scale") != 0 and deploy.get("replicas") != 0


def wanted(of: Project, service: str, changed: Sequence[Path], execute: Run = run) -> str | None:
    """The text of the override file, None where nothing has to be written.

    `changed` are files of what Relève has changed in other services meanwhile, which then is so
    for the user's own `up`, too. Raises ComposeError where the owner has to write the lines.
    """
    services = _changed(changed)
    if not starts(of, service, execute) and not (services and of.plain):
        return None
    body = _body(of, service, services, execute)
    if not of.plain:
        raise ComposeError(
            f"`docker compose up` in {of.folder} would start a second agent, and Compose reads no "
            f"override file there by itself. Add to {of.files[-1]}, then run again:\n{body}"
        )
    there = of.override
    before = there.read_text(encoding="utf-8") if there.exists() else None
    if before is not None and not before.startswith(MARK):
        raise ComposeError(
            f"`docker compose up` in {of.folder} would start a second agent. Add to {there}, which "
            f"is yours, then run again:\n{body}"
        )
    text = TEXT.format(mark=MARK, body=body)
    return None if text == before else text


def write(of: Project, text: str, service: str, execute: Run = run) -> None:
    """Have the override file, and see that Compose obeys it. Raises ComposeError."""
    there = of.override
    new = there.with_name(f".{there.name}.new")
    new.write_text(text, encoding="utf-8")
    owner = of.main.stat()
    os.chown(new, owner.st_uid, owner.st_gid)
    new.chmod(owner.st_mode & 0o777)
    new.replace(there)
    if starts(of, service, execute):
        there.unlink()
        raise ComposeError(
            f"with {there} `docker compose up` would start the service {service} all the same; it "
            f"was removed again. Remove the service from {of.main}, then run again"
        )


def _body(of: Project, service: str, services: dict[str, Any], execute: Run) -> str:
    read = yaml.safe_load(execute([*of.argv, "config"], str(of.folder))) or {}
    theirs = (read.get("services") or {}).get(service) or {}
    none = {"scale": 0} if "scale" in theirs else {"deploy": {"replicas": 0}}
    return str(yaml.safe_dump({"services": services | {service: none}}, sort_keys=False))


def _changed(files: Sequence[Path]) -> dict[str, Any]:
    services: dict[str, Any] = {}
    for path in files:
        if path.exists():
            services |= yaml.safe_load(path.read_text(encoding="utf-8"))["services"]
    return services
