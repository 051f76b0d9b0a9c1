"""Reads what really runs: the user's compose project and the containers of Relève beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from .cgroup import memory_folder
from .docker_host import said_in
from .interpreter import Interpreter, interpreters

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
COLOUR = "releve.colour"
STACK = "releve.stack"

VERSIONS = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.metadata['Name'].lower().replace('_', '-'): d.version"
    " for d in m.distributions() if d.metadata['Name'].lower().startswith('livekit')}))"
)


class StackError(Exception):
    """The stack is not as expected; the message says what to change."""


class Stack:
    """One environment on one Docker host, through a `docker.DockerClient`."""

    def __init__(
        self,
        client: Any,
        stack: str,
        server_service: str,
        agent_service: str,
        of: Callable[[int], Iterable[Interpreter]] = interpreters,
    ) -> None:
        """`of` tells the Pythons of a container by its first process."""
        self._interpreters = of
        self._client = client
        self._stack = stack
        self._services = {"server": server_service, "blue": agent_service}

    def read(self) -> dict[str, Any]:
        """Server, colours and gateway as they are now; None for what does not exist.

        Raises StackError when the project's server is missing or not alone.
        """
        server = self._only("server", required=True)
        blue = self._only("blue", required=False)
        network = self._shared_network(server, blue)
        return {
            "network": network,
            "project_dir": server.labels.get("com.docker.compose.project.working_dir"),
            "compose_files": server.labels.get(f"{PROJECT}.config_files", "").split(","),
            "volumes": self._volumes(),
            "server": self._server(server, network),
            "blue": self._agent(blue, network) if blue else None,
            "green": self._agent(self._ours("green"), network),
            "gateway": self._describe(self._ours("gateway"), network),
            "sentinels": self._describe(self._ours("sentinels"), network),
        }

    def _only(self, role: str, required: bool) -> Any:
        service = self._services[role]
        labels = [f"{PROJECT}={self._stack}", f"{SERVICE}={service}"]
        found = self._client.containers.list(filters={"label": labels})
        if len(found) > 1:
            names = ", ".join(sorted(item.name for item in found))
            raise StackError(
                f"service {service} of compose project {self._stack} runs {len(found)} times "
                f"({names}); scale it to one before a migration"
            )
        if not found and required:
            raise StackError(
                f"no running container of service {service} in compose project {self._stack}; "
                "start it, or set `stack`, `server_service` and `agent_service` in the inventory"
            )
        return found[0] if found else None

    def _ours(self, role: str) -> Any:
        labels = [f"{STACK}={self._stack}", f"{COLOUR}={role}"]
        found = self._client.containers.list(all=True, filters={"label": labels})
        return found[0] if found else None

    def _shared_network(self, server: Any, blue: Any) -> str:
        networks = set(server.attrs["NetworkSettings"]["Networks"]) - {"host", "none"}
        if not networks:
            raise StackError(
                "the server is not on a Docker network of its own (host network?); Relève needs "
                "a bridge network that server and agent share"
            )
        if blue is not None:
            networks &= set(blue.attrs["NetworkSettings"]["Networks"])
        if not networks:
            raise StackError(
                f"{server.name} and {blue.name} share no Docker network; put both on one"
            )
        return str(min(networks))

    def _describe(self, container: Any, network: str) -> dict[str, Any] | None:
        if container is None:
            return None
        attrs = container.attrs
        address = attrs["NetworkSettings"]["Networks"].get(network, {}).get("IPAddress") or None
        return {
            "id": container.id,
            "name": container.name,
            "running": attrs["State"]["Running"],
            "pid": attrs["State"]["Pid"],
            "image": attrs["Config"]["Image"],
            "image_id": attrs["Image"],
            "address": address,
            "labels": {k: v for k, v in container.labels.items() if k.startswith("releve.")},
        }

    def _server(self, container: Any, network: str) -> dict[str, Any]:
        found = self._describe(container, network) or {}
        running = container.attrs["State"]["Running"]
        said = said_in(container, [container.attrs["Path"], "--version"]) if running else None
        match = re.search(r"(\d+\.\d+\.\d+\S*)", said or "")
        return found | {
            "version": f"v{match.group(1)}" if match else None,
            "service": self._services["server"],
        }

    def _agent(self, container: Any, network: str) -> dict[str, Any] | None:
        found = self._describe(container, network)
        if found is None:
            return None
        url = self._env(container).get("LIVEKIT_URL", "")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise StackError(
                f"{container.name} has a LIVEKIT_URL that is no address, {url!r} ({error}); set "
                "it to ws://<host>:<port> there"
            ) from error
        return found | {
            "url": url,
            "scheme": parts.scheme,
            "server_host": parts.hostname,
            "server_port": port or (443 if parts.scheme in ("wss", "https") else 80),
            "packages": self._packages(container) if found["running"] else None,
            "memory_cgroup": memory_folder(container.attrs["State"]["Pid"]),
        }

    def _packages(self, container: Any) -> dict[str, str] | None:
        """LiveKit's packages as the worker sees them; None where no Python that runs has any.

        Asked from the worker's own interpreter: `python3` on PATH may be another one.
        """
        for one in self._interpreters(container.attrs["State"]["Pid"]):
            said = said_in(
                container,
                [one.program, "-c", VERSIONS],
                environment=one.env,
                workdir=one.cwd,
                user=one.user,
            )
            if said and "livekit-agents" in (packages := dict(json.loads(said))):
                return packages
        return None

    def _volumes(self) -> list[dict[str, str]]:
        found = self._client.volumes.list(filters={"label": f"{PROJECT}={self._stack}"})
        return [{"name": item.name, "path": item.attrs["Mountpoint"]} for item in found]

    @staticmethod
    def _env(container: Any) -> dict[str, str]:
        return dict(item.partition("=")[::2] for item in container.attrs["Config"]["Env"] or ())

    def keys(self) -> tuple[str, str] | None:
        """API key and secret as blue's environment holds them, or None."""
        blue = self._only("blue", required=False)
        if blue is None:
            return None
        env = self._env(blue)
        key, secret = env.get("LIVEKIT_API_KEY"), env.get("LIVEKIT_API_SECRET")
        return (key, secret) if key and secret else None
