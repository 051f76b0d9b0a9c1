"""Containers made anew from their saved definitions, as the engine's API takes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..backup.contents import labels_of
from ..docker_host import post
from ..stack import SERVICE

REHEARSAL = "releve.rehearsal"


class Launcher:
    """Makes containers through a `docker.DockerClient`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def create(self, name: str, body: dict[str, Any]) -> str:
        """The id of a new container, not started. Raises docker's errors."""
        return str(post(self._client, "containers/create", body, name=name)["Id"])

    def isolated_network(self, name: str) -> Any:
        """A network without a way out."""
        return self._client.networks.create(
            name, driver="bridge", internal=True, labels={REHEARSAL: name}
        )

    def remove(self, name: str) -> None:
        """All of a rehearsal: containers, then network."""
        chosen = {"label": f"{REHEARSAL}={name}"}
        for container in self._client.containers.list(all=True, filters=chosen):
            container.remove(force=True, v=True)
        for network in self._client.networks.list(filters=chosen):
            network.remove()


def exact(container: dict[str, Any]) -> dict[str, Any]:
    """The body that makes a container as it was, on its first network."""
    config = _config(container)
    host = dict(container["HostConfig"])
    # A volume that only the image asked for has a name by now, and its content was restored.
    bound = {_target(bind) for bind in host.get("Binds") or ()}
    bound |= {mount["Target"] for mount in host.get("Mounts") or ()}
    host["Binds"] = list(host.get("Binds") or ()) + [
        f"{mount['Name']}:{mount['Destination']}:{'rw' if mount['RW'] else 'ro'}"
        for mount in container.get("Mounts") or ()
        if mount["Type"] == "volume" and mount["Destination"] not in bound
    ]
    return config | {
        "Image": container["Image"],
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": dict(list(endpoints(container).items())[:1])},
    }


def endpoints(container: dict[str, Any]) -> dict[str, Any]:
    """By network name: aliases and fixed addresses of a container."""
    return {
        name: {
            "Aliases": _aliases(container, found),
            "IPAMConfig": found.get("IPAMConfig"),
            "Links": found.get("Links"),
            "DriverOpts": found.get("DriverOpts"),
        }
        for name, found in (container["NetworkSettings"]["Networks"] or {}).items()
    }


def aliases(container: dict[str, Any]) -> list[str]:
    """All names by which others reach a container, its service's first."""
    service = labels_of(container).get(SERVICE)
    found = [service] if service else []
    for settings in (container["NetworkSettings"]["Networks"] or {}).values():
        found += [name for name in _aliases(container, settings) if name not in found]
    return found


def _aliases(container: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    short = container["Id"][:12]
    return [alias for alias in settings.get("Aliases") or () if alias != short]


def rehearsed(
    container: dict[str, Any], network: str, restored: Path, trees: Mapping[str, str]
) -> dict[str, Any]:
    """The body that makes a container's like on another network: nothing published, nothing shared
    with the original. `trees` maps the path of a mount's source to its real path in the backup;
    what was not saved is not mounted."""
    config = _config(container)
    host = {
        key: value
        for key, value in container["HostConfig"].items()
        if key not in ("Mounts", "Links", "VolumesFrom", "PortBindings", "ContainerIDFile")
    }
    host |= {
        "Binds": [
            f"{restored}{trees[mount['Source']]}:{mount['Destination']}:"
            f"{'rw' if mount['RW'] else 'ro'}"
            for mount in container.get("Mounts") or ()
            if mount.get("Source") in trees
        ],
        "NetworkMode": network,
        "PublishAllPorts": False,
        "RestartPolicy": {"Name": "no"},
    }
    return config | {
        "Image": container["Image"],
        "Labels": {REHEARSAL: network},
        "HostConfig": host,
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": aliases(container)}}},
    }


def _config(container: dict[str, Any]) -> dict[str, Any]:
    found = dict(container["Config"])
    if found.get("Hostname") == container["Id"][:12]:  # the engine's own choice
        del found["Hostname"]
    return found


def _target(bind: str) -> str:
    return bind.split(":")[1] if ":" in bind else bind
