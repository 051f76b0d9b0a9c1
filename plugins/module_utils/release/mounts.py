"""Mounts of a container, by their place in it, whatever form they were asked for in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Mount:
    """`kind` is bind, volume, tmpfs or another of the engine's; `source` a path or a volume."""

    kind: str
    source: str
    writes: bool
    options: str = ""

    def __str__(self) -> str:
        what = " ".join(part for part in (self.kind, self.source, self.options) if part)
        return what if self.writes else f"{what}, read-only"


def place_of(bind: str) -> str:
    """The place in the container of `source:place[:options]` or of a place alone."""
    parts = bind.split(":")
    return parts[1] if len(parts) > 1 else bind


def of_host(host: Mapping[str, Any]) -> dict[str, Mount]:
    """By place, what a HostConfig asks for."""
    found = {}
    for bind in host.get("Binds") or ():
        source, place, *rest = bind.split(":")
        words = [word for word in (rest[0].split(",") if rest else ()) if word != "rw"]
        kind = "bind" if source.startswith("/") else "volume"
        options = ",".join(word for word in words if word != "ro")
        found[place] = Mount(kind, source, "ro" not in words, options)
    for one in host.get("Mounts") or ():
        kind = one.get("Type", "volume")
        options = _json_like(one.get(f"{kind.capitalize()}Options"))
        writes = not one.get("ReadOnly")
        found[one["Target"]] = Mount(kind, one.get("Source", ""), writes, options)
    for place, options in (host.get("Tmpfs") or {}).items():
        found[place] = Mount("tmpfs", "", True, options)
    return found


def _json_like(options: Mapping[str, Any] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((options or {}).items()) if value)


def without(host: Mapping[str, Any], places: Iterable[str]) -> dict[str, Any]:
    """A HostConfig in which nothing is mounted at these places."""
    gone = set(places)
    return dict(host) | {
        "Binds": [bind for bind in host.get("Binds") or () if place_of(bind) not in gone],
        "Mounts": [one for one in host.get("Mounts") or () if one["Target"] not in gone],
        "Tmpfs": {
            place: options
            for place, options in (host.get("Tmpfs") or {}).items()
            if place not in gone
        },
    }


def unnamed(container: Mapping[str, Any]) -> list[str]:
    """Binds for the volumes that a container has and nobody gave a name: those that its image or
    its owner asked for by the place alone. What lies in them is not left behind."""
    asked = of_host(container["HostConfig"])
    return [
        f"{mount['Name']}:{mount['Destination']}:{'rw' if mount['RW'] else 'ro'}"
        for mount in container.get("Mounts") or ()
        if mount["Type"] == "volume" and mount["Destination"] not in asked
    ]
