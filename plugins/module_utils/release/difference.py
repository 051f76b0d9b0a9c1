"""Two effective definitions side by side: what differs, by whom, and no secret's value."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from . import mounts
from .image_part import variables
from .redaction import HIDDEN, is_secret, secrets_in, without

MACHINERY = ("com.docker.compose.", "releve.")  # labels by which the machinery finds its own
# Told in words of their own, or nothing that anybody chose.
ELSEWHERE = (
    "Env",
    "Labels",
    "Image",
    "Cmd",
    "Entrypoint",
    "Volumes",
    "ExposedPorts",
    "Healthcheck",
)
NOT_TOLD = ("Domainname", "AttachStdin", "AttachStdout", "AttachStderr", "OnBuild", "ArgsEscaped")
HOST_ELSEWHERE = ("Binds", "Mounts", "Tmpfs", "ContainerIDFile", "CpuShares", "ConsoleSize")


@dataclass(frozen=True)
class Difference:
    """One setting: as it is in service and as it will be, None where there is none. `by` is
    `release`, what the inventory asked for, or `releve`."""

    what: str
    before: str | None
    after: str | None
    by: str

    def __str__(self) -> str:
        if HIDDEN in (self.before, self.after):
            if None in (self.before, self.after):
                return f"{self.what}: {'added' if self.before is None else 'removed'} {HIDDEN}"
            return f"{self.what}: changed {HIDDEN}"
        return f"{self.what}: {_or_none(self.before)} -> {_or_none(self.after)}"


def _or_none(value: str | None) -> str:
    return "none" if value is None else value


def settings(container: Mapping[str, Any]) -> dict[str, str]:
    """Every setting of an inspected container that has a value, by a name for people."""
    config, host = container["Config"], container["HostConfig"]
    found: dict[str, Any] = {"image": container["Image"]}
    for key, name in (("Entrypoint", "entrypoint"), ("Cmd", "command")):
        if words := [word for word in config.get(key) or () if word]:
            found[name] = shlex.join(words)
    found |= {f"environment {name}": one for name, one in variables(config.get("Env")).items()}
    found |= {
        f"label {name}": one
        for name, one in (config.get("Labels") or {}).items()
        if not name.startswith(MACHINERY)
    }
    found |= {
        f"health check {name}": one for name, one in (config.get("Healthcheck") or {}).items()
    }
    for key, value in config.items():
        if key not in (*ELSEWHERE, *NOT_TOLD):
            found[key] = value
    if found.get("Hostname") == str(container.get("Id", ""))[:12]:  # the engine's own choice
        del found["Hostname"]
    asked = dict(host)
    if container.get("Mounts"):
        asked["Binds"] = [*(host.get("Binds") or ()), *mounts.unnamed(container)]
    found |= {f"mount {place}": str(one) for place, one in mounts.of_host(asked).items()}
    found |= {f"host {key}": one for key, one in host.items() if key not in HOST_ELSEWHERE}
    if host.get("CpuShares") not in (None, 0, 1024):
        found["host CpuShares"] = host["CpuShares"]
    for network in container["NetworkSettings"].get("Networks") or {}:
        found[f"network {network}"] = "joined"
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in found.items()
        if value not in (None, "", [], {}, 0, False, [0, 0])
    }


def differences(
    before: Mapping[str, str], unchanged: Mapping[str, str], after: Mapping[str, str]
) -> list[Difference]:
    """What differs between the container in service and the release's, secrets by their names.

    `unchanged` is what a release that asks for nothing would be: what it has in common with
    `after` was not the inventory's wish.
    """
    known = secrets_of(before) | secrets_of(after)
    found = []
    for name in sorted(before.keys() | after.keys()):
        one, other = before.get(name), after.get(name)
        if one != other:
            by = "releve" if unchanged.get(name) == other else "release"
            hidden = any(_hides(name, value) for value in (one, other))
            found.append(
                Difference(name, _told(one, hidden, known), _told(other, hidden, known), by)
            )
    return found


def told(container: Mapping[str, str]) -> dict[str, str]:
    """Settings as they may be printed and kept."""
    known = secrets_of(container)
    return {
        name: str(_told(value, _hides(name, value), known)) for name, value in container.items()
    }


def secrets_of(container: Mapping[str, str]) -> set[str]:
    """The values in a container's settings that must not be told."""
    return secrets_in(
        {
            name.partition(" ")[2]: value
            for name, value in container.items()
            if name.startswith(("environment ", "label "))
        }
    )


def _hides(name: str, value: str | None) -> bool:
    kind, _, rest = name.partition(" ")
    return kind in ("environment", "label") and value is not None and is_secret(rest, value)


def _told(value: str | None, hidden: bool, known: set[str]) -> str | None:
    if value is None:
        return None
    return HIDDEN if hidden else without(value, known)


def as_evidence(found: list[Difference]) -> list[dict[str, Any]]:
    """For JSON."""
    return [asdict(one) for one in found]
