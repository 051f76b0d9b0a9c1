"""What a backup of a stack is made of, read from the engine: images, trees, definitions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..stack import COLOUR, PROJECT, SERVICE, STACK

WORKING_DIR = "com.docker.compose.project.working_dir"
CONFIG_FILES = "com.docker.compose.project.config_files"
ENV_FILES = "com.docker.compose.project.environment_file"
# The host's own: no stack owns them, and a restore must never write there.
HOSTS_OWN = ("/proc", "/sys", "/dev", "/run", "/var/run", "/etc", "/usr", "/bin", "/lib", "/boot")
LIVEKITS_OWN = "/etc/livekit"  # /etc/livekit.yaml, /etc/livekit/…: where its config often lies
DATABASES = ("redis", "valkey", "keydb")


class BackupError(Exception):
    """No backup, verification or restore is possible like this; the message says why."""


@dataclass(frozen=True)
class Image:
    """One image of the stack; `bytes` is its size unpacked."""

    id: str
    names: tuple[str, ...]
    digests: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Tree:
    """One folder or file. `kind` is project, volume, bind or state; `name` is the volume's, else
    the path. `databases` save themselves before it is read; `writers` may be paused meanwhile;
    `talking` may hold calls, or cannot be paused, and write on."""

    kind: str
    name: str
    path: str
    databases: tuple[str, ...] = ()
    writers: tuple[str, ...] = ()
    talking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """Everything of one stack. `containers`, `networks` and `volumes` are as the engine's inspect
    shows them, secrets included; `left_out` pairs a path with the reason."""

    images: tuple[Image, ...]
    trees: tuple[Tree, ...]
    containers: tuple[dict[str, Any], ...]
    networks: tuple[dict[str, Any], ...]
    volumes: tuple[dict[str, Any], ...]
    left_out: tuple[tuple[str, str], ...]


def labels_of(container: dict[str, Any]) -> dict[str, str]:
    """The labels of an inspected container."""
    return container["Config"].get("Labels") or {}


def containers_of(client: Any, stack: str) -> list[Any]:
    """The containers of a stack, running or not: the compose project's and Relève's, by name."""
    found = {}
    for label in (f"{PROJECT}={stack}", f"{STACK}={stack}"):
        for container in client.containers.list(all=True, filters={"label": label}):
            found[container.id] = container
    # Instruments of one run (sentinels, probes, rehearsals) are not part of the stack.
    kept = [
        item
        for item in found.values()
        if item.labels.get(COLOUR) in (None, "server", "blue", "green", "gateway")
        and item.labels.get("com.docker.compose.oneoff", "False") == "False"
    ]
    return sorted(kept, key=lambda item: str(item.name))


def read_contents(
    client: Any, stack: str, talking: Sequence[str], state: Sequence[str]
) -> Contents:
    """Read it from a `docker.DockerClient`.

    `talking` are the services that may hold calls and are never paused; `state` are further paths.
    Raises BackupError when the engine knows nothing of the stack.
    """
    containers = containers_of(client, stack)
    if not containers:
        raise BackupError(
            f"no container of a compose project {stack} is on this host; set `stack` in the "
            "inventory"
        )
    inspected = [item.attrs for item in containers]
    # A volume of the project is saved also while no container has it.
    chosen = {"label": f"{PROJECT}={stack}"}
    places = {
        item.name: item.attrs["Mountpoint"] for item in client.volumes.list(filters=chosen)
    } | {mount["Name"]: mount["Source"] for item in inspected for mount in _mounts(item, "volume")}
    trees, left_out = _trees(inspected, places, talking, state)
    networks = {item.name for item in client.networks.list(filters=chosen)} | {
        name
        for item in inspected
        for name in item["NetworkSettings"]["Networks"] or {}
        if name not in ("bridge", "host", "none")
    }
    return Contents(
        images=_images(client, sorted({item["Image"] for item in inspected})),
        trees=tuple(trees),
        containers=tuple(inspected),
        networks=tuple(client.networks.get(name).attrs for name in sorted(networks)),
        volumes=tuple(client.volumes.get(name).attrs for name in sorted(places)),
        left_out=tuple(left_out),
    )


def _images(client: Any, ids: Sequence[str]) -> tuple[Image, ...]:
    found = []
    for image_id in ids:
        attrs = client.images.get(image_id).attrs
        found.append(
            Image(
                id=attrs["Id"],
                names=tuple(attrs.get("RepoTags") or ()),
                digests=tuple(attrs.get("RepoDigests") or ()),
                bytes=attrs["Size"],
            )
        )
    return tuple(found)


def _mounts(container: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [mount for mount in container.get("Mounts") or [] if mount["Type"] == kind]


def _trees(
    containers: Sequence[dict[str, Any]],
    volumes: Mapping[str, str],
    talking: Sequence[str],
    state: Sequence[str],
) -> tuple[list[Tree], list[tuple[str, str]]]:
    wanted: dict[str, Tree] = {}
    left_out = []
    for path in _project_paths(containers):
        if os.path.lexists(path):
            wanted[path] = Tree("project", path, path)
        else:
            left_out.append((path, "does not exist"))
    for name, source in volumes.items():
        path = os.path.realpath(source)
        wanted[path] = Tree("volume", name, path)
    for container in containers:
        for mount in _mounts(container, "bind"):
            path = os.path.realpath(mount["Source"])
            reason = _not_owned(path)
            ours = STACK in labels_of(container)
            if reason and not ours:  # ours has sockets in /run, which it makes itself
                left_out.append((path, reason))
            elif not reason and path not in wanted:
                wanted[path] = Tree("state" if ours else "bind", path, path)
    for path in (os.path.realpath(item) for item in state):
        if os.path.lexists(path) and path not in wanted:
            wanted[path] = Tree("state", path, path)
    # What lies in another tree is saved with it; a volume stays itself, wherever the engine has it.
    kept = [
        replace(tree, **_writers(containers, tree.path, talking))
        for tree in wanted.values()
        if tree.kind == "volume"
        or not any(tree.path.startswith(f"{other}/") for other in wanted if other != tree.path)
    ]
    return sorted(kept, key=lambda tree: (tree.kind, tree.name)), sorted(set(left_out))


def _project_paths(containers: Sequence[dict[str, Any]]) -> list[str]:
    paths = []
    for container in containers:
        labels = labels_of(container)
        folder = labels.get(WORKING_DIR)
        if not folder:
            continue
        paths.append(os.path.realpath(folder))
        for key in (CONFIG_FILES, ENV_FILES):
            for name in filter(None, labels.get(key, "").split(",")):
                paths.append(os.path.realpath(os.path.join(folder, name)))  # noqa: PTH118
    return paths


def _not_owned(path: str) -> str | None:
    own = any(path == own or path.startswith(f"{own}/") for own in HOSTS_OWN)
    if path == "/" or (own and not path.startswith(LIVEKITS_OWN)):
        return "the host's own"
    if not os.path.lexists(path):
        return "does not exist"
    return None


def _writers(
    containers: Sequence[dict[str, Any]], path: str, talking: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Names of the containers that write to a tree now, in the words of `Tree`."""
    found: dict[str, list[str]] = {"databases": [], "writers": [], "talking": []}
    for container in containers:
        state = container["State"]
        # One that somebody has paused stands still already, and must not be woken by us.
        if not state["Running"] or state.get("Paused") or not _writes(container, path):
            continue
        image = container["Config"]["Image"].rpartition("/")[2]
        # One that starts again and again cannot be paused either.
        if _may_hold_calls(container, talking) or state.get("Restarting"):
            kind = "talking"
        else:
            kind = "databases" if image.startswith(DATABASES) else "writers"
        found[kind].append(container["Name"].lstrip("/"))
    return {kind: tuple(names) for kind, names in found.items()}


def _writes(container: dict[str, Any], path: str) -> bool:
    for mount in container.get("Mounts") or ():
        if mount["RW"] and mount["Type"] in ("volume", "bind"):
            source = os.path.realpath(mount["Source"])
            if source == path or source.startswith(f"{path}/") or path.startswith(f"{source}/"):
                return True
    return False


def _may_hold_calls(container: dict[str, Any], talking: Sequence[str]) -> bool:
    labels = labels_of(container)
    return (
        STACK in labels
        or labels.get(SERVICE) in talking
        or "livekit/" in container["Config"]["Image"]  # SIP, ingress and egress talk too
        # Another agent, which no setting names: whoever has LiveKit's keys may be in a room.
        or any(item.startswith("LIVEKIT_") for item in container["Config"].get("Env") or ())
    )


def real_sources(contents: Contents) -> dict[str, str]:
    """Where the sources of mounts really lie: what is saved is the place, not a link to it."""
    sources = {
        str(mount["Source"])
        for item in contents.containers
        for mount in item.get("Mounts") or ()
        if mount.get("Source")
    }
    return {source: os.path.realpath(source) for source in sources}
