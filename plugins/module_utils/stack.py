"""Reads what really runs: the user's compose project and the containers of Relève beside it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from .cgroup import memory_folder
from .discovery.agents import Agent
from .discovery.machine import Machine
from .discovery.obstacles import not_live, sharing
from .discovery.servers import Server

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
COLOUR = "releve.colour"
STACK = "releve.stack"


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
        machine: Machine | None = None,
    ) -> None:
        """`machine` is the host that the engine's containers run on, this one by default."""
        self._client = client
        self._stack = stack
        self._services = {"server": server_service, "blue": agent_service}
        self._given = machine

    def read(self) -> dict[str, Any]:
        """Server, colours and gateway as they are now; None for what does not exist.

        Raises StackError when the project's server is missing or not alone, or when blue shares
        its key with another worker, which would keep a part of the rooms.
        """
        server = self._only("server", required=True)
        blue = self._only("blue", required=False)
        network = self._shared_network(server, blue)
        if blue is not None:
            self._alone(blue)
        return {
            "network": network,
            "project_dir": server.labels.get("com.docker.compose.project.working_dir"),
            "compose_files": _listed(server, "config_files"),
            "env_files": _listed(server, "environment_file"),
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
                "start it, or set `stack`, `server_service` and `agent_service` in the inventory "
                "(playbooks/discover.yml says what runs)"
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

    @cached_property
    def _machine(self) -> Machine:
        return self._given or Machine(self._client)

    def _server(self, container: Any, network: str) -> dict[str, Any]:
        found = self._describe(container, network) or {}
        server = self._found_server(container)
        return found | {
            "version": server.version if server else None,
            "service": self._services["server"],
        }

    def _found_server(self, container: Any) -> Server | None:
        """The process in it that is a server, with the version that it says."""
        for pid in self._machine.servers:
            if self._machine.processes[pid].container == container.id:
                mine = [one for one in self._workers if self._machine.end(one) == pid]
                return self._machine.with_version(self._machine.server(pid), mine)
        return None

    @property
    def _workers(self) -> list[Agent]:
        return [agent for agent in self._machine.found if agent.worker]

    def _worker(self, container: Any) -> Agent | None:
        """Its worker; of one that is not connected, or does not answer, what its process tells."""
        for agent in self._workers:
            if agent.place.container == container.id:
                return agent
        return self._machine.agent_of(container.attrs["State"]["Pid"])

    def _alone(self, blue: Any) -> None:
        mine = self._worker(blue)
        if mine is None or (end := self._machine.end(mine)) is None:
            return
        beside = [
            agent
            for agent in self._workers
            if agent.place.colour is None and self._machine.end(agent) == end
        ]
        if said := sharing(mine, beside):
            raise StackError(said)

    def _agent(self, container: Any, network: str) -> dict[str, Any] | None:
        found = self._describe(container, network)
        if found is None:
            return None
        agent = self._worker(container)
        read = agent.settings if agent else None
        parts = read.address if read else None
        if read and read.url and parts is None:
            raise StackError(
                f"{container.name} has a LIVEKIT_URL that is no address, {read.url!r}; set it to "
                "ws://<host>:<port> there"
            )
        known = (agent.packages if agent else None) or {}
        packages = {name: one for name, one in known.items() if name.startswith("livekit")}
        server = self._found_server(self._only("server", required=True))
        return found | {
            "server_port": _port(parts.scheme, parts.port) if parts else None,
            "packages": packages if "livekit-agents" in packages else None,
            "not_live": not_live(agent, server) if agent and server else None,
            "memory_cgroup": memory_folder(container.attrs["State"]["Pid"]),
        }

    def _volumes(self) -> list[dict[str, str]]:
        found = self._client.volumes.list(filters={"label": f"{PROJECT}={self._stack}"})
        return [{"name": item.name, "path": item.attrs["Mountpoint"]} for item in found]

    def keys(self) -> tuple[str, str] | None:
        """API key and secret as blue's program has them, or None."""
        blue = self._only("blue", required=False)
        agent = self._worker(blue) if blue is not None else None
        return self._machine.keys_of(agent) if agent else None


def _listed(container: Any, label: str) -> list[str]:
    return [one for one in container.labels.get(f"{PROJECT}.{label}", "").split(",") if one]


def _port(scheme: str, port: int | None) -> int:
    return port or (443 if scheme in ("wss", "https") else 80)
