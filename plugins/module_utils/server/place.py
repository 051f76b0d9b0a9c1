"""Where the configuration of the running server comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS = "livekit.releve.yaml"  # beside the user's compose file, so that a backup has it
INSIDE = f"/etc/{OURS}"  # in a container that has no configuration file yet
KEYS = "livekit.releve.keys.yaml"
KEYS_INSIDE = f"/etc/{KEYS}"
OWN = "releve.server.config"  # label: the user's own file, empty where there is none


class ServerError(Exception):
    """The server cannot be configured or pinned like this; the message says what to change."""


@dataclass(frozen=True)
class Place:
    """`inside` is the path in the container, `own` the user's file on the host; `command` is given
    where the container's has to name the file."""

    inside: str
    own: Path | None
    command: list[str] | None = None


def place_of(attrs: Mapping[str, Any], project: Path) -> Place:
    """Of an inspected container. Raises ServerError where it is in no file on the host."""
    command = list(attrs["Config"].get("Cmd") or ())
    arguments = [*attrs["Args"]]
    if variables(attrs).get("LIVEKIT_CONFIG") or _option(arguments, "--config-body"):
        raise ServerError(
            "the server's configuration stands in LIVEKIT_CONFIG or --config-body, where it cannot "
            "be merged: put it into a file, mount that, and name it with --config"
        )
    inside = _option(arguments, "--config")
    if inside is None:
        return Place(INSIDE, None, [*command, "--config", INSIDE])
    source = _mounted(attrs["Mounts"], inside)
    if source is None:
        raise ServerError(
            f"the server's configuration, {inside}, is in its image: mount a file there instead"
        )
    if source != project / OURS:
        return Place(inside, source)
    named = (attrs["Config"].get("Labels") or {}).get(OWN) or None
    own = project / named if named else None
    return Place(inside, own, command if inside == INSIDE else None)


def as_label(place: Place, project: Path) -> str:
    """The user's own file as the label has it: relative where it is in the project."""
    if place.own is None:
        return ""
    return os.path.relpath(place.own, project) if project in place.own.parents else str(place.own)


def variables(attrs: Mapping[str, Any]) -> dict[str, str]:
    """The container's environment."""
    pairs = (item.partition("=") for item in attrs["Config"].get("Env") or ())
    return {name: value for name, _, value in pairs}


def owner_of(attrs: Mapping[str, Any]) -> tuple[int, int]:
    """Who reads the configuration in the container: its user where that is a number, else root."""
    user, _, group = str(attrs["Config"].get("User") or "").partition(":")
    if not user.isdecimal():
        return 0, 0
    return int(user), int(group) if group.isdecimal() else 0


def _option(arguments: Sequence[str], name: str) -> str | None:
    for at, word in enumerate(arguments):
        for form in (name, name[1:]):  # Go's flags take one dash, too
            if word.startswith(f"{form}="):
                return word.partition("=")[2]
            if word == form and at + 1 < len(arguments):
                return arguments[at + 1]
    return None


def _mounted(mounts: Sequence[Mapping[str, Any]], inside: str) -> Path | None:
    """The file on the host that is seen at a path in the container."""
    best: Path | None = None
    depth = -1
    for mount in mounts:
        place = Path(mount["Destination"])
        wanted = Path(inside)
        if (place == wanted or place in wanted.parents) and len(place.parts) > depth:
            best = Path(mount["Source"]) / wanted.relative_to(place)
            depth = len(place.parts)
    return best
