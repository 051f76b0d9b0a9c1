"""The container of a release: that of the colour in service, less what is its alone, and changed
by what the inventory says and by where it has to register.

All of it is computed from what the engine's inspect shows; `body` is what the engine's API takes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..stack import COLOUR, STACK
from . import mounts
from .hardened import hardened
from .image_part import merged, own, variables
from .wanted import Release

DEFINITION = "releve.definition"
SECRETS = "/run/secrets"
# Labels by which compose, swarm and proxies take a container for theirs.
COMPOSE = "com.docker.compose."
NOT_KEPT = (COMPOSE, "com.docker.swarm.", "com.docker.stack.", "traefik.", "caddy", "releve.")
# Of a HostConfig: ports and names that only one container may have, and what is about one start.
PUBLISHED = {"PortBindings": {}, "PublishAllPorts": False, "AutoRemove": False}
NO_NETWORKS = ("host", "none", "default", "bridge")


@dataclass(frozen=True)
class Place:
    """Where a release is put: the stack, the colour, where its worker registers. `user` is given
    where the container is to be hardened."""

    stack: str
    colour: str
    gateway_url: str
    user: str | None = None


@dataclass(frozen=True)
class Definition:
    """A container as the engine's API takes it. `networks` are those that it joins once it is made,
    `image` is its image as inspected, `left` what stays with the colour in service."""

    body: dict[str, Any]
    networks: dict[str, dict[str, Any]]
    image: Mapping[str, Any]
    left: dict[str, list[str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The same for the same container."""
        return str(self.body["Labels"][DEFINITION])

    def shown(self) -> dict[str, Any]:
        """As the engine's inspect will show it."""
        config = merged(self.body, self.image.get("Config") or {})
        first = (self.body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
        return {
            "Image": self.body["Image"],
            "Config": {key: value for key, value in config.items() if key not in NOT_CONFIG},
            "HostConfig": self.body["HostConfig"],
            "NetworkSettings": {"Networks": first | self.networks},
        }


NOT_CONFIG = ("HostConfig", "NetworkingConfig")


def define(
    current: Mapping[str, Any],
    current_image: Mapping[str, Any],
    image: Mapping[str, Any],
    release: Release,
    place: Place,
    env_files: Mapping[str, str] | None = None,
    files: bytes | None = None,
) -> Definition:
    """The release's container, from the one in service, its image and the release's (inspected).

    `env_files` are the variables of the release's files, `files` what is unpacked in it besides.
    """
    theirs = image.get("Config") or {}
    config = own(current["Config"], current_image.get("Config") or {})
    config |= {"Image": image["Id"], "ExposedPorts": {}, "Volumes": {}}
    config |= _start(config, theirs, release, place.gateway_url)
    config["Env"] = _environment(config["Env"], theirs, release, place.gateway_url, env_files or {})
    for key, value in (
        ("User", release.user),
        ("WorkingDir", release.working_dir),
        ("Hostname", release.hostname),
        ("StopTimeout", release.stop_seconds),
    ):
        if value is not None:
            config[key] = value
    host = _host(current, release)
    mode, first, others = _networks(current)
    config |= {"HostConfig": host | {"NetworkMode": mode}}
    if first:
        config["NetworkingConfig"] = {"EndpointsConfig": first}
    if place.user:
        config = hardened(config, config["HostConfig"], place.user)
    config["Labels"] = _labels(config["Labels"], theirs, release, place)
    left = {
        "aliases": _aliases(current),
        "ports": sorted(current["HostConfig"].get("PortBindings") or {}),
    }
    text = json.dumps([config, others, hashlib.sha256(files or b"").hexdigest()], sort_keys=True)
    config["Labels"][DEFINITION] = hashlib.sha256(text.encode()).hexdigest()
    return Definition(config, others, image, left)


def _start(
    config: Mapping[str, Any], theirs: Mapping[str, Any], release: Release, url: str
) -> dict[str, Any]:
    """Entrypoint and command. One that names the server's address itself names the gateway's."""
    found = {key: config[key] for key in ("Entrypoint", "Cmd") if key in config}
    if release.entrypoint is not None:
        found = {"Entrypoint": list(release.entrypoint) or [""], "Cmd": None}
    if release.command is not None:
        found["Cmd"] = list(release.command)
    effective = merged(found, theirs)
    for key in ("Entrypoint", "Cmd"):
        words = effective.get(key) or []
        if (led := _led_to(words, url)) != words:
            # One of the two given alone would take the other away, or leave it to the image.
            found = {"Entrypoint": effective.get("Entrypoint"), "Cmd": effective.get("Cmd")}
            found[key] = led
            effective = found
    return found


def _led_to(words: Sequence[str], url: str) -> list[str]:
    led = []
    for before, word in zip(["", *words], words, strict=False):
        value = re.sub(r"(--url(?:=|\s+))(\"[^\"]*\"|'[^']*'|[^\s;&|]+)", rf"\g<1>{url}", word)
        led.append(url if before == "--url" else value)
    return led


def _environment(
    own_env: Sequence[str],
    theirs: Mapping[str, Any],
    release: Release,
    url: str,
    env_files: Mapping[str, str],
) -> list[str]:
    """A variable without `=` is taken away from the image."""
    found: dict[str, str | None] = {
        item.partition("=")[0]: item.partition("=")[2] if "=" in item else None for item in own_env
    }
    found |= dict(env_files) | dict(release.environment) | {"LIVEKIT_URL": url}
    of_image = variables(theirs.get("Env"))
    return [
        name if value is None else f"{name}={value}"
        for name, value in found.items()
        if value is not None or name in of_image
    ]


def _host(current: Mapping[str, Any], release: Release) -> dict[str, Any]:
    host = dict(current["HostConfig"]) | PUBLISHED
    host.pop("ContainerIDFile", None)
    host["Links"] = [_link(link) for link in host.get("Links") or ()] or None
    host["Binds"] = [*(host.get("Binds") or ()), *mounts.unnamed(current)]
    secrets = {f"{SECRETS}/{name}": source for name, source in release.secrets.items()}
    host = mounts.without(host, [*release.volumes, *release.tmpfs, *secrets])
    for mounted, source in release.volumes.items():
        if source is not None:
            what, _, options = source.partition(":")
            host["Binds"].append(f"{what}:{mounted}:{options or 'rw'}")
    host["Binds"] += [f"{source}:{at}:ro" for at, source in secrets.items() if source is not None]
    given = {at: options for at, options in release.tmpfs.items() if options is not None}
    host["Tmpfs"] = host["Tmpfs"] | given
    hosts = dict(item.partition(":")[::2] for item in host.get("ExtraHosts") or ())
    hosts |= release.extra_hosts
    host["ExtraHosts"] = [f"{name}:{ip}" for name, ip in hosts.items() if ip is not None] or None
    if release.memory is not None:  # its swap was set by the engine, from the limit before
        host |= {"Memory": release.memory, "MemorySwap": 0}
    if release.shm_size is not None:
        host["ShmSize"] = release.shm_size
    if release.cpus is not None:
        host |= {"NanoCpus": int(release.cpus * 1e9), "CpuQuota": 0, "CpuPeriod": 0}
    return host


def _link(shown: str) -> str:
    """`/other:/this/alias`, as inspect shows it, is asked for as `other:alias`."""
    other, _, alias = shown.partition(":")
    return f"{other.lstrip('/')}:{alias.rpartition('/')[2]}" if alias.startswith("/") else shown


def _networks(
    current: Mapping[str, Any],
) -> tuple[str, dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Network mode, the network of the first moment, those joined after. Addresses and names stay
    with the colour in service: whoever asks for it by name must not find one that is dark."""
    mode = str(current["HostConfig"].get("NetworkMode") or "default")
    shown = current["NetworkSettings"].get("Networks") or {}
    endpoints = {
        name: {"Links": one.get("Links"), "DriverOpts": one.get("DriverOpts")}
        for name, one in shown.items()
    }
    if mode in NO_NETWORKS or mode.startswith("container:"):
        return mode, {}, {name: one for name, one in endpoints.items() if name not in NO_NETWORKS}
    named = [name for name, one in shown.items() if mode in (name, one.get("NetworkID"))]
    first = named[0] if named else next(iter(endpoints), mode)
    others = {name: one for name, one in endpoints.items() if name != first}
    return first, {first: endpoints.get(first, {})}, others


def _aliases(current: Mapping[str, Any]) -> list[str]:
    names = {
        alias
        for one in (current["NetworkSettings"].get("Networks") or {}).values()
        for alias in one.get("Aliases") or ()
    }
    return sorted(names - {current["Id"][:12], current["Name"].lstrip("/")})


def _labels(
    own_labels: Mapping[str, str], theirs: Mapping[str, Any], release: Release, place: Place
) -> dict[str, str]:
    """Compose must not know it: `up` would replace it and `down` remove it. An image that Compose
    built has its labels, too, which an empty one of the container's hides."""
    hidden = {name: "" for name in theirs.get("Labels") or {} if name.startswith(COMPOSE)}
    kept = {name: one for name, one in own_labels.items() if not name.startswith(NOT_KEPT)}
    for name, value in release.labels.items():
        kept.pop(name, None)
        if value is not None:
            kept[name] = value
    return hidden | kept | {STACK: place.stack, COLOUR: place.colour}
