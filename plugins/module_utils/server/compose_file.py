"""The file in the user's project that pins the server's image and configuration.

Compose reads it by itself at every later `up`: it is the project's override file, or one that
COMPOSE_FILE in the project's .env names.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import override
from .place import KEYS, KEYS_INSIDE, OURS, OWN, Place, ServerError, as_label, variables

DIGEST = "releve.server.digest"
NAMED = "compose.releve.yml"  # where the project names its files by COMPOSE_FILE
HEALTH_SECONDS = 10


@dataclass(frozen=True)
class Wish:
    """What the service is to be. `image` is a reference that no pull moves; `config` the whole
    file, None where the user's own stays; `keys` all keys, None where they are the user's."""

    service: str
    image: str
    config: str | None = None
    keys: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)
    health: Sequence[str] | None = None

    @property
    def digest(self) -> str:
        """The same for the same configuration and keys."""
        return hashlib.sha256(f"{self.config}\0{self.keys}".encode()).hexdigest()[:16]


def pinned(image: Mapping[str, Any], name: str, tag: str) -> str:
    """A reference to an inspected image: by digest where a registry has it, else by its exact tag.

    `name` is the one it runs under, whose repository is preferred.
    """
    repository = re.sub(r"(@.*|:[^/:]*)$", "", name)
    digests = list(image.get("RepoDigests") or ())
    same = [one for one in digests if one.partition("@")[0] == repository]
    return (same or digests or [tag])[0]


def document(
    wish: Wish,
    attrs: Mapping[str, Any],
    place: Place | None,
    project: Path,
    others: Mapping[str, Any],
) -> str:
    """The whole file, for the inspected container of the service, beside `others` that are in it
    already."""
    body: dict[str, Any] = {"image": wish.image, "labels": {DIGEST: wish.digest}}
    if wish.config is not None and place is not None:
        body["labels"][OWN] = as_label(place, project)
        body["volumes"] = [f"./{OURS}:{place.inside}:ro"]
        if place.command:
            body["command"] = place.command
        if wish.keys is not None:
            body["volumes"].append(f"./{KEYS}:{KEYS_INSIDE}:ro")
            if "LIVEKIT_KEYS" in variables(attrs):
                body["environment"] = {"LIVEKIT_KEYS": ""}  # else its keys were accepted, too
    limits = wish.limits
    for ours, theirs in (("memory", "mem_limit"), ("cpus", "cpus")):
        if ours in limits:
            body[theirs] = limits[ours]
    if "nofile" in limits:
        body["ulimits"] = {"nofile": {"soft": limits["nofile"], "hard": limits["nofile"]}}
    if wish.health:
        body["healthcheck"] = {
            "test": list(wish.health),
            "interval": f"{HEALTH_SECONDS}s",
            "timeout": "3s",
            "retries": 3,
        }
    files = files_of(attrs, project)
    return override.text({**others, wish.service: body}, (files or [project])[0])


def files_of(attrs: Mapping[str, Any], project: Path) -> list[Path]:
    """The compose files that the running container was made from."""
    label = attrs["Config"]["Labels"].get("com.docker.compose.project.config_files", "")
    return [project / one for one in label.split(",") if one]


def changes(
    wish: Wish, attrs: Mapping[str, Any], place: Place | None, project: Path
) -> dict[Path, str | None]:
    """By path, the text of each file of the project that is to be another; None: to be gone.

    Raises ServerError where Compose would not read a file of ours at a later `up`.
    """
    path, env = _where(files_of(attrs, project), project)
    wanted: dict[Path, str | None] = {
        path: document(wish, attrs, place, project, override.services(path)),
        project / OURS: wish.config,
        project / KEYS: wish.keys,
    }
    if env is not None:
        wanted[project / ".env"] = env
    return {
        file: text
        for file, text in wanted.items()
        if text != (file.read_text(encoding="utf-8") if file.exists() else None)
    }


def _where(files: Sequence[Path], project: Path) -> tuple[Path, str | None]:
    """The file, and the project's .env where that has to name it."""
    env = project / ".env"
    text = env.read_text(encoding="utf-8") if env.exists() else ""
    named = re.search(r"^COMPOSE_FILE=(.*)$", text, re.MULTILINE)
    if named:
        listed = named[1].strip().strip("\"'").split(":")
        if NAMED in listed:
            return project / NAMED, None
        line = f"COMPOSE_FILE={':'.join([*listed, NAMED])}"
        return project / NAMED, text[: named.start()] + line + text[named.end() :]
    there = override.there(project)
    ours = [one for one in there if override.is_ours(one)]
    others = [one for one in files if one not in ours]
    plain = len(others) <= 1 and all(
        one.parent == project and one.name in override.BASES for one in others
    )
    if plain and there == ours:
        return (ours or [project / override.NAMES[0]])[0], None
    theirs = dict.fromkeys(one for one in [*others, *there] if one not in ours)
    names = ":".join(_short(one, project) for one in theirs)
    raise ServerError(
        f"the project has compose files of its own choice ({names}), and a later `up` would leave "
        f"out one of Relève's: write COMPOSE_FILE={names} into {env}, and run again"
    )


def _short(file: Path, project: Path) -> str:
    return str(file.relative_to(project)) if project in file.parents else str(file)
