"""Reads what really runs: the user's compose project and the containers of Relève beside it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from .cgroup import memory_folder
from .discovery.agents import Agent
from .discovery.machine import Machine
from .discovery.obstacles import family, not_live
from .discovery.servers import Server, elsewhere

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
COLOUR = "releve.colour"
STACK = "releve.stack"
HOST = "host"


class StackError(Exception):
    """The stack is not as expected; the message says what to change."""


class Stack:
    """One environment on one Docker host, through a `docker.DockerClient`.

    Without a `server_service` the server is not this stack's: it is a process of the host, or on
    another one, and only its URL is known.
    """

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

        `blues` are all containers of blue, `blue` the first: Compose's, and after they were
        finalized those of Relève, like green's. `ours` are the names of Relève's own, by colour.
        Raises StackError when the project's server is missing or not alone, when there are two
        kinds of blue, or when a worker of blue's key cannot be moved with it.
        """
        server = self._server_container
        ours = {colour: self._ours(colour) for colour in ("blue", "green")}
        blues = self._blues()
        if blues and (beside := [one for one in ours["blue"] if one.attrs["State"]["Running"]]):
            raise StackError(
                f"{blues[0].name} runs beside {beside[0].name}, which took its place: Compose has "
                "started a second agent. Remove the one that is not to serve, and see "
                "docs/operations.md, Finalize"
            )
        blues = blues or ours["blue"]
        blue = blues[0] if blues else None
        network = self._network(server, blues or ours["green"])
        known = self._known_server(server, blues or ours["green"])
        of = server or blue  # whose labels tell how Compose was called
        described = [self._agent(one, network) for one in blues]
        greens = [self._agent(one, network) for one in ours["green"]]
        return {
            "network": network,
            "extra_hosts": _extra_hosts(blue, network),
            "project_dir": of and of.labels.get("com.docker.compose.project.working_dir"),
            "compose_files": _listed(of, "config_files"),
            "env_files": _listed(of, "environment_file"),
            "volumes": self._volumes(),
            "server": self._server(server, network, known),
            "blue": described[0] if described else None,
            "blues": described,
            "green": greens[0] if greens else None,
            "greens": greens,
            "ours": {colour: [one.name for one in all_of] for colour, all_of in ours.items()},
            "gateway": self._describe(next(iter(self._ours("gateway")), None), network),
            "sentinels": self._describe(next(iter(self._ours("sentinels")), None), network),
        }

    @cached_property
    def _server_container(self) -> Any:
        """None where the server is not the stack's."""
        if not self._services["server"]:
            return None
        found = self._of_service("server")
        if len(found) > 1:
            names = ", ".join(item.name for item in found)
            raise StackError(
                f"service {self._services['server']} of compose project {self._stack} runs "
                f"{len(found)} times ({names}); scale it to one before a migration"
            )
        if not found:
            raise StackError(
                f"no running container of service {self._services['server']} in compose project "
                f"{self._stack}; start it, or set `stack`, `server_service` and `agent_service` in "
                "the inventory (playbooks/discover.yml says what runs). Where the server is not "
                "this project's, set `server_service: ''` and its `server_url`"
            )
        return found[0]

    def _of_service(self, role: str) -> list[Any]:
        labels = [f"{PROJECT}={self._stack}", f"{SERVICE}={self._services[role]}"]
        found = self._client.containers.list(filters={"label": labels})
        return sorted(found, key=lambda item: str(item.name))

    def _blues(self) -> list[Any]:
        """Every container whose worker has the key of the service's: all are moved, or none."""
        found = self._of_service("blue")
        mine = self._worker(found[0]) if found else None
        if mine is None or (end := self._machine.end(mine)) is None:
            return found
        same = [
            agent
            for agent in self._workers
            if agent.place.colour is None and self._machine.end(agent) == end
        ]
        others, said = family(mine, same)
        if said:
            raise StackError(said)
        ids = [one.id for one in found]
        more = {agent.place.container for agent in others} - set(ids)
        running = {one.id: one for one in self._client.containers.list()}
        return found + sorted((running[one] for one in more if one), key=lambda one: str(one.name))

    def _ours(self, role: str) -> list[Any]:
        """Containers of Relève's, running or not, the first by its name before those with more."""
        labels = [f"{STACK}={self._stack}", f"{COLOUR}={role}"]
        found = self._client.containers.list(all=True, filters={"label": labels})
        return sorted(found, key=lambda one: (len(one.name), str(one.name)))

    def _network(self, server: Any, blues: list[Any]) -> str:
        """Where gateway, green and probes are to be: with blue, and if it can be with the server.

        `host` where blue is on the host's network.
        """
        if not blues:
            mine = _networks(server) if server is not None else set()
            if not mine:
                raise StackError(
                    f"no agent of service {self._services['blue']} runs in compose project "
                    f"{self._stack}, whose network would be used; start it"
                )
            return min(mine)
        on_host = [one for one in blues if _on_host(one)]
        if on_host and len(on_host) < len(blues):
            raise StackError(
                f"{on_host[0].name} is on the host's network and another worker of its key is not; "
                "put all of them on the same network"
            )
        if on_host:
            return HOST
        shared = set.intersection(*(_networks(one) for one in blues))
        if not shared:
            names = ", ".join(one.name for one in blues)
            raise StackError(
                f"{names} {'share no network' if blues[1:] else 'has no network of its own'}; "
                "the gateway needs a Docker network with them"
            )
        both = shared & _networks(server) if server is not None else set()
        return min(both or shared)

    def _describe(self, container: Any, network: str) -> dict[str, Any] | None:
        if container is None:
            return None
        attrs = container.attrs
        address = attrs["NetworkSettings"]["Networks"].get(network, {}).get("IPAddress") or None
        if address is None and network == HOST:
            address = "127.0.0.1"
        return {
            "id": container.id,
            "name": container.name,
            "running": attrs["State"]["Running"],
            "pid": attrs["State"]["Pid"],
            "image": attrs["Config"]["Image"],
            "image_id": attrs["Image"],
            "address": address,
            "service": container.labels.get(SERVICE),
            "labels": {k: v for k, v in container.labels.items() if k.startswith("releve.")},
        }

    @cached_property
    def _machine(self) -> Machine:
        return self._given or Machine(self._client)

    def _server(self, container: Any, network: str, known: Server | None) -> dict[str, Any]:
        said = {"version": known.version if known else None, "ours": container is not None}
        if container is None:
            return {"name": known.name if known else None, "running": True} | said
        return (self._describe(container, network) or {}) | said

    def _known_server(self, container: Any, blues: list[Any]) -> Server | None:
        """The server that blue's worker is connected to, with the version that it says."""
        if container is not None:
            for pid in self._machine.servers:
                if self._machine.processes[pid].container == container.id:
                    mine = [one for one in self._workers if self._machine.end(one) == pid]
                    return self._machine.with_version(self._machine.server(pid), mine)
            return None
        agent = self._worker(blues[0]) if blues else None
        end = self._machine.end(agent) if agent else None
        if agent is None or end is None:
            return None
        server = self._machine.server(end) if isinstance(end, int) else elsewhere(end)
        direct = [] if self._machine.behind_gateway(agent) else [agent]
        return self._machine.with_version(server, direct)

    @property
    def _workers(self) -> list[Agent]:
        return [agent for agent in self._machine.found if agent.worker]

    def _worker(self, container: Any) -> Agent | None:
        """Its worker; of one that is not connected, or does not answer, what its process tells."""
        for agent in self._workers:
            if agent.place.container == container.id:
                return agent
        return self._machine.agent_of(container.attrs["State"]["Pid"])

    def containers(self) -> tuple[Any, Any]:
        """The server and the first of blue, as the engine has them. Raises StackError."""
        if self._server_container is None:
            raise StackError("the server is no service of this stack, so it is not set up here")
        return self._server_container, next(iter(self._of_service("blue")), None)

    def direct(self) -> bool:
        """Whether a worker of blue is connected to the server itself. Raises StackError."""
        server, blue = self.containers()
        mine = self._worker(blue) if blue is not None else None
        if mine is None or self._machine.behind_gateway(mine):
            return False
        end = self._machine.end(mine)
        return isinstance(end, int) and self._machine.processes[end].container == server.id

    def _agent(self, container: Any, network: str) -> dict[str, Any] | None:
        found = self._describe(container, network)
        if found is None:
            return None
        agent = self._worker(container)
        read = agent.settings if agent else None
        if read and read.url and read.address is None:
            raise StackError(
                f"{container.name} has a LIVEKIT_URL that is no address, {read.url!r}; set it to "
                "ws://<host>:<port> there"
            )
        known = (agent.packages if agent else None) or {}
        packages = {name: one for name, one in known.items() if name.startswith("livekit")}
        seen = agent.route.seen if agent and agent.route else None
        return found | {
            "seen": {"address": seen.address, "port": seen.port} if seen else None,
            "adopted": bool(agent and self._machine.behind_gateway(agent)),
            "by_compose": SERVICE in container.labels,
            "packages": packages if "livekit-agents" in packages else None,
            "not_live": not_live(agent, certificate=True) if agent else None,
            "tls_host": read.tls_host if read else None,
            "memory_cgroup": memory_folder(container.attrs["State"]["Pid"]),
        }

    def _volumes(self) -> list[dict[str, str]]:
        found = self._client.volumes.list(filters={"label": f"{PROJECT}={self._stack}"})
        return [{"name": item.name, "path": item.attrs["Mountpoint"]} for item in found]

    def keys(self) -> tuple[str, str] | None:
        """API key and secret as blue's program has them, or None."""
        found = self._of_service("blue")
        agent = self._worker(found[0]) if found else None
        return self._machine.keys_of(agent) if agent else None


def _networks(container: Any) -> set[str]:
    return set(container.attrs["NetworkSettings"]["Networks"]) - {HOST, "none"}


def _on_host(container: Any) -> bool:
    mode = container.attrs["HostConfig"].get("NetworkMode")
    return mode == HOST or HOST in container.attrs["NetworkSettings"]["Networks"]


def _extra_hosts(container: Any, network: str) -> dict[str, str]:
    """Names that only blue's own file of hosts knows: its server's may be one of them."""
    if container is None or network == HOST:
        return {}
    listed = container.attrs["HostConfig"].get("ExtraHosts") or ()
    return dict(item.partition(":")[::2] for item in listed)


def _listed(container: Any, label: str) -> list[str]:
    if container is None:
        return []
    return [one for one in container.labels.get(f"{PROJECT}.{label}", "").split(",") if one]
