"""Where a process lives: in which container, under which unit, or by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..docker_host import said_in
from .processes import Process, Processes

COMPOSE = "com.docker.compose"


@dataclass(frozen=True)
class Compose:
    """What the labels that Compose puts on a container tell."""

    project: str
    service: str
    folder: str | None = None
    files: tuple[str, ...] = ()
    env_file: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class Place:
    """`kind` is container, unit, process, or pod: what a kubelet started.

    `network` are a container's networks and its address in each. Of a container that no engine here
    knows there is only its id. `leads_to` is the server's URL, of a gateway of Relève's.
    """

    kind: str
    name: str
    container: str | None = None
    image: str | None = None
    image_id: str | None = None
    network: dict[str, str] = field(default_factory=dict)
    on_host_network: bool = True
    published: dict[int, int] = field(default_factory=dict)
    compose: Compose | None = None
    colour: str | None = None
    known: bool = True
    program: str | None = None
    leads_to: str | None = None

    @property
    def bridged(self) -> bool:
        """Whether it has an address in a network of the engine's."""
        return bool(self.network)

    def __str__(self) -> str:
        if self.kind == "container" and self.known:
            on = "the host's network" if self.on_host_network else ", ".join(sorted(self.network))
            return f"container {self.name} on {on or 'no network of its own'}"
        return f"{self.kind} {self.name}"


class Places:
    """Containers from an engine, `docker.DockerClient` or None, the rest from the kernel."""

    def __init__(self, processes: Processes, client: Any) -> None:
        self._processes = processes
        self._client = client
        containers = client.containers.list(all=True, ignore_removed=True) if client else []
        self._containers = {item.id: item for item in containers}

    def of(self, process: Process) -> Place:
        """Where it lives."""
        if process.in_kubernetes:
            return Place("pod", process.program, process.container, known=False)
        if process.container is not None:
            found = self._containers.get(process.container)
            if found is not None:
                return described(found)
        if not process.shares_root:
            ident = process.container or f"of process {process.pid}"
            return Place("container", ident[:24], process.container, known=False)
        if process.unit is not None:
            return Place("unit", process.unit)
        return Place("process", f"{process.pid} ({_title(process)})")

    def stopped(self) -> Iterator[Place]:
        """Containers that do not run."""
        for container in self._containers.values():
            if not container.attrs["State"]["Running"]:
                yield described(container)

    def said(self, place: Place, argv: Sequence[str], **how: Any) -> str | None:
        """What a program prints in a container; None when it fails or cannot run."""
        container = self._containers.get(place.container or "")
        return said_in(container, argv, **how) if container is not None else None


def _title(process: Process) -> str:
    """The program and its script; not its other arguments, which may hold secrets."""
    script = next((item for item in process.argv[1:] if item.endswith(".py")), None)
    words = [process.argv[0].rpartition("/")[2], *([script] if script else [])]
    return "".join(filter(str.isprintable, " ".join(words)))


def described(container: Any) -> Place:
    """A container of the engine's."""
    attrs, labels = container.attrs, container.labels or {}
    networks = attrs["NetworkSettings"].get("Networks") or {}
    host = attrs.get("HostConfig", {}).get("NetworkMode") == "host" or "host" in networks
    bridges = {name: net for name, net in networks.items() if name not in ("host", "none")}
    published = {}
    for inside, bound in (attrs["NetworkSettings"].get("Ports") or {}).items():
        if inside.endswith("/tcp") and bound:
            published[int(inside.split("/")[0])] = int(bound[0]["HostPort"])
    return Place(
        "container",
        container.name,
        container.id,
        attrs["Config"].get("Image"),
        attrs.get("Image"),
        {name: net.get("IPAddress") or "" for name, net in bridges.items()},
        host,
        published,
        _compose(labels),
        labels.get("releve.colour"),
        program=str(attrs.get("Path") or "").rpartition("/")[2],
        leads_to=labels.get("releve.server"),
    )


def _compose(labels: dict[str, str]) -> Compose | None:
    project, service = labels.get(f"{COMPOSE}.project"), labels.get(f"{COMPOSE}.service")
    if not project or not service:
        return None
    files = labels.get(f"{COMPOSE}.project.config_files", "")
    return Compose(
        project,
        service,
        labels.get(f"{COMPOSE}.project.working_dir"),
        tuple(item for item in files.split(",") if item),
        labels.get(f"{COMPOSE}.project.environment_file"),
        labels.get(f"{COMPOSE}.version"),
    )
