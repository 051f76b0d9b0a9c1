"""Which snapshots belong to one backup, and which to none. Pure: takes snapshots as restic lists
them, oldest first, and returns ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# The first tag of each snapshot says what it is. WARM is read before a pause, to shorten it.
IMAGE, VOLUME, FILES, WARM = "image", "volume", "files", "warm"

Snapshot = dict[str, Any]


@dataclass(frozen=True)
class Keep:
    """How many backups are kept: the last ones, and one for each of so many days and weeks."""

    last: int = 7
    daily: int = 7
    weekly: int = 5


def is_kind(snapshot: Snapshot, kind: str) -> bool:
    """Whether a snapshot is ours and of this kind."""
    return kind in (snapshot.get("tags") or ())


def runs(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The snapshots that each stand for a whole backup."""
    return [item for item in snapshots if is_kind(item, FILES)]


def images_held(snapshots: Sequence[Snapshot]) -> dict[str, str]:
    """Snapshot id by image id, of the images that a whole backup vouches for: what an interrupted
    one saved may be half an image. The newest counts."""
    vouched = {tag for item in runs(snapshots) for tag in item["tags"]}
    return {
        tag: item["id"]
        for item in snapshots
        if is_kind(item, IMAGE)
        for tag in item["tags"]
        if tag.startswith("sha256:") and tag in vouched
    }


def orphans(snapshots: Sequence[Snapshot]) -> list[str]:
    """Ids of our snapshots that no whole backup refers to."""
    images = set(images_held(snapshots).values())
    volumes = {
        tag.removeprefix("volume:")
        for item in runs(snapshots)
        for tag in item["tags"]
        if tag.startswith("volume:")
    }
    return [
        item["id"]
        for item in snapshots
        if (is_kind(item, IMAGE) and item["id"] not in images)
        or (is_kind(item, VOLUME) and item["id"][:8] not in volumes)
        or is_kind(item, WARM)
    ]


def unix_time(time_of_restic: str) -> float:
    """Restic's time as Unix time, to the microsecond."""
    # It writes nanoseconds without the zeros at their end; Python 3.10 reads only whole seconds.
    whole, fraction, zone = re.split(r"(\.\d+|(?=Z|[+-]\d\d:))", time_of_restic, maxsplit=1)
    moment = datetime.fromisoformat(whole + zone.replace("Z", "+00:00")).timestamp()
    return moment + float(fraction or 0)
