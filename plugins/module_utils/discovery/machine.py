"""One look at a host: its servers, its agents, and which belong together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from .agents import Agent, Agents
from .inside import KEY, SECRET
from .places import Place, Places
from .processes import Process, Processes
from .routes import Routes
from .servers import PROGRAM, Server, answers_at, elsewhere, here, is_gateway, is_server, version_in
from .sockets import Sockets

BESIDE = {"livekit-sip": "SIP", "egress": "egress", "ingress": "ingress"}


@dataclass(frozen=True)
class Stack:
    """A server and the processes connected to it.

    `participants` is None where no agent could ask the server for them.
    """

    server: Server
    workers: tuple[Agent, ...] = ()
    bots: tuple[Agent, ...] = ()
    beside: tuple[tuple[str, Place], ...] = ()
    participants: tuple[dict[str, str], ...] | None = None

    @property
    def name(self) -> str:
        """The Compose project of the server or of its first agent, else the server's own name."""
        places = [self.server.place, *(agent.place for agent in self.workers)]
        projects = (place.compose.project for place in places if place and place.compose)
        return next(projects, self.server.name)


@dataclass(frozen=True)
class Found:
    """`unconnected` are workers without a connection to a server, `stopped` are containers of
    servers that do not run, `unreadable` counts processes that root cannot read."""

    stacks: tuple[Stack, ...]
    unconnected: tuple[Agent, ...] = ()
    stopped: tuple[Place, ...] = ()
    unreadable: int = 0


class Machine:
    """What runs on this host; `client` is a `docker.DockerClient`, or None without an engine."""

    def __init__(self, client: Any, proc: Path = Path("/proc")) -> None:
        self.processes = Processes(proc)
        self.sockets = Sockets(self.processes)
        self.places = Places(self.processes, client)
        self.agents = Agents(self.processes, self.places, self.sockets)

    def look(self) -> Found:
        """Everything. Asks processes, servers and engine, and changes nothing."""
        there: dict[int | str, list[Agent]] = {pid: [] for pid in sorted(self.servers)}
        unconnected = []
        for agent in self.found:
            end = self.end(agent)
            if end is None:
                unconnected.append(agent)
            else:
                there.setdefault(end, []).append(agent)
        stacks = tuple(self._stack(end, agents) for end, agents in there.items())
        stopped = tuple(place for place in self.places.stopped() if _of_a_server(place))
        return Found(stacks, tuple(unconnected), stopped, len(self.processes.unreadable))

    @cached_property
    def gateways(self) -> set[int]:
        """Relève's own, by their processes."""
        return {one.pid for one in self.processes if is_gateway(one, self.places.of(one))}

    @cached_property
    def servers(self) -> set[int]:
        """By their program, and whoever answers as a server where a worker is connected.

        A proxy forwards requests: of a chain that answers, the last process is the server.
        """
        named = {one.pid for one in self.processes if is_server(one)}
        routes = Routes(self.processes, self.sockets, named | self.gateways)
        found = {
            end.pid
            for pid in self.agents.workers
            for route in routes.of(self.processes[pid])
            if route.last is not None and not route.known
            if (end := self._answering(routes, route.last, set())) is not None
        }
        return named | found

    def _answering(self, routes: Routes, process: Process, looked: set[int]) -> Process | None:
        looked.add(process.pid)
        if answers_at(process, self.sockets) is None:
            return None
        for route in routes.of(process):
            if route.last is not None and route.last.pid not in looked and not route.known:
                behind = self._answering(routes, route.last, looked)
                if behind is not None:
                    return behind
        return process

    @cached_property
    def found(self) -> list[Agent]:
        """All workers and direct bots."""
        ends = self.servers | self.gateways
        return list(self.agents.found(Routes(self.processes, self.sockets, ends)))

    def end(self, agent: Agent) -> int | str | None:
        """The process of its server, or the server's URL where that is not here; None without a
        connection."""
        if agent.route is None:
            return None
        last = agent.route.last
        if last is None or not agent.route.known:
            return agent.settings.url
        if last.pid not in self.gateways:
            return last.pid
        # Where its server is not on this host, the gateway's container says which it is.
        return self._behind(last) or self.places.of(last).leads_to or agent.settings.url

    def agent_of(self, pid: int) -> Agent | None:
        """What a process tells of itself, or the nearest below it that is connected to a server:
        whether or not it is a worker that answers."""
        if pid not in self.processes:
            return None
        routes = Routes(self.processes, self.sockets, self.servers | self.gateways)
        below = [
            (len(list(self.processes.above(one.pid))), one)
            for one in self.processes
            if one.pid == pid or pid in {above.pid for above in self.processes.above(one.pid)}
        ]
        for _, one in sorted(below, key=lambda found: (found[0], found[1].pid)):
            if route := next((each for each in routes.of(one) if each.known), None):
                return replace(self.agents.at(one), route=route)
        return self.agents.at(self.processes[pid])

    def keys_of(self, agent: Agent) -> tuple[str, str] | None:
        """API key and secret, for a keys file; never to be returned."""
        environment = self.processes.environment(agent.process.pid)
        pair = environment.get(KEY), environment.get(SECRET)
        if pair[0] and pair[1]:
            return pair[0], pair[1]
        return self.agents.program(agent.process).keys()

    def behind_gateway(self, agent: Agent) -> bool:
        """Whether it is registered at a gateway of Relève's."""
        last = agent.route.last if agent.route else None
        return last is not None and last.pid in self.gateways

    def server(self, pid: int) -> Server:
        """A server that runs here."""
        return here(self.processes[pid], self.processes, self.places, self.sockets)

    def with_version(self, server: Server, workers: list[Agent]) -> Server:
        """With its version as it says it to a worker, where its program did not tell."""
        if server.version:
            return server
        for agent in workers:
            url = agent.settings.url
            said = self.agents.program(agent.process).server(url) if url else None
            version = version_in(said["version"]) if said else None
            if version:
                return replace(server, version=version, version_from="its answer to a worker")
        return server

    def _behind(self, gateway: Process) -> int | None:
        routes = Routes(self.processes, self.sockets, self.servers).of(gateway)
        return next((one.last.pid for one in routes if one.last and one.known), None)

    def _stack(self, end: int | str, agents: list[Agent]) -> Stack:
        workers = [agent for agent in agents if agent.worker]
        server = self.server(end) if isinstance(end, int) else elsewhere(end)
        return Stack(
            self.with_version(server, workers),
            tuple(workers),
            tuple(agent for agent in agents if not agent.worker),
            tuple(self._beside(end)),
            self._people(workers),
        )

    def _people(self, workers: list[Agent]) -> tuple[dict[str, str], ...] | None:
        for agent in workers:
            url = agent.settings.url
            said = self.agents.program(agent.process).rooms(url) if url else None
            if said is not None:
                return tuple(said)
        return None

    def _beside(self, end: int | str) -> Iterator[tuple[str, Place]]:
        """What LiveKit has besides, where it belongs to the server's project or to none."""
        project = self.places.of(self.processes[end]).compose if isinstance(end, int) else None
        for process in self.processes:
            if process.program in BESIDE:
                place = self.places.of(process)
                if not (place.compose and project and place.compose.project != project.project):
                    yield BESIDE[process.program], place


def _of_a_server(place: Place) -> bool:
    return PROGRAM in (place.image or "") or place.program == PROGRAM
