"""What stays of a release that was removed, so that it can be had again without a registry: its
image under a name of its own, and its container's definition in a file that only root can read.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..release.container import Container, put_in, written
from ..release.definition import Definition, Place, define
from ..release.wanted import Release

DAY = 86400.0


class KeptError(Exception):
    """It cannot be had again; the message says what is missing."""


class ImageGone(KeptError):
    """Its image is on the host no more."""


@dataclass(frozen=True)
class Kept:
    """What was kept of the release that stood in `colour`."""

    path: Path
    facts: dict[str, Any]

    @property
    def colour(self) -> str:
        """Where it stood."""
        return str(self.facts["colour"])

    @property
    def until(self) -> float:
        """Unix time until which it is kept at least."""
        return float(self.facts["until"])


def path_of(folder: Path, colour: str) -> Path:
    """Where the definition of that colour is kept."""
    return folder / f"{colour}.json"


def find(folder: Path, colour: str) -> Kept | None:
    """What was kept of that colour, if there is something. Raises KeptError."""
    path = path_of(folder, colour)
    try:
        return Kept(path, json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise KeptError(f"{path} cannot be read: {error}") from error


def name_of(stack: str, colour: str) -> str:
    """The name by which its image stays."""
    return f"{stack}-kept:{colour}"


def keep(
    client: Any,
    container: Any,
    folder: Path,
    stack: str,
    colour: str,
    gateway_url: str,
    days: float,
) -> Kept:
    """Keep what is needed to have this container again. Raises docker's errors and OSError."""
    image = client.images.get(container.attrs["Image"])
    files = put_in(container, written(container))
    facts = {
        "colour": colour,
        "container": container.attrs,
        "image": image.attrs,
        "files": base64.b64encode(files).decode("ascii") if files else None,
        "gateway_url": gateway_url,
        "until": time.time() + days * DAY,
    }
    image.tag(name_of(stack, colour))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = path_of(folder, colour)
    new = path.with_suffix(".new")
    # Its environment holds secrets.
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with new.open("w", encoding="utf-8") as out:
        json.dump(facts, out)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)
    return Kept(path, facts)


def definition(kept: Kept, stack: str, image: dict[str, Any]) -> Definition:
    """Its container, as a container of Relève's."""
    facts = kept.facts
    place = Place(stack, kept.colour, facts["gateway_url"])
    files = base64.b64decode(facts["files"]) if facts["files"] else None
    return define(facts["container"], facts["image"], image, Release(), place, files=files)


def have_again(client: Any, kept: Kept, stack: str, not_found: type[Exception]) -> str:
    """Its container runs again, under the name of its colour, which is returned.

    Raises ImageGone, ReleaseError and docker's errors.
    """
    image_id = kept.facts["container"]["Image"]
    try:
        image = client.images.get(image_id)
    except not_found as error:
        raise ImageGone(
            f"the image of {kept.colour}, {image_id[:19]}, is on this host no more"
        ) from error
    name = f"{stack}-agent-{kept.colour}"
    files = base64.b64decode(kept.facts["files"]) if kept.facts["files"] else None
    made = definition(kept, stack, image.attrs)
    Container(client, name, not_found).ensure(made, None, files, check=False)
    return name


def forget(client: Any, kept: Kept, stack: str, not_found: type[Exception]) -> None:
    """It is kept no longer; an image that has another name, or a container, stays."""
    with contextlib.suppress(not_found):
        client.images.remove(name_of(stack, kept.colour))
    kept.path.unlink(missing_ok=True)


def expired(folder: Path, now: float) -> list[Kept]:
    """What has been kept for long enough."""
    found = [find(folder, path.stem) for path in sorted(folder.glob("*.json"))]
    return [one for one in found if one is not None and one.until < now]
