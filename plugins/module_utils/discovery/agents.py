"""Agents: the workers that register at a server, and programs that join rooms by themselves."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .places import Place, Places
from .processes import Process, Processes
from .programs import Program, Settings
from .routes import Route, Routes
from .sockets import Sockets, http_get

COLOURS = ("blue", "green")


@dataclass(frozen=True)
class Agent:
    """A worker, or a direct bot, which has none: `worker` says which.

    `agent_name` is None where the worker does not tell it.
    """

    process: Process
    place: Place
    worker: bool
    route: Route | None
    program: Program
    agent_name: str | None = None
    jobs: int | None = None

    @property
    def packages(self) -> dict[str, str] | None:
        """As its interpreter has them, asked when it is first wanted."""
        return self.program.packages

    @property
    def settings(self) -> Settings:
        """Where it reads its URL and keys."""
        return self.program.settings


class Agents:
    """Looks for them among the processes that have loaded an SDK of LiveKit's."""

    def __init__(self, processes: Processes, places: Places, sockets: Sockets) -> None:
        self._processes = processes
        self._places = places
        self._sockets = sockets
        self._programs: dict[int, Program] = {}

    @cached_property
    def workers(self) -> dict[int, dict[str, Any]]:
        """What each worker says of itself, by its process.

        Of a family the one nearest to the top that answers as a worker does: above it may be one
        that only watches files, below it are its jobs, which inherit its port.
        """
        found: dict[int, dict[str, Any]] = {}
        for process in self._speaking:
            if not any(above.pid in found for above in self._processes.above(process.pid)):
                said = self._health(process)
                if said is not None:
                    found[process.pid] = said
        return found

    @cached_property
    def without_worker(self) -> list[Process]:
        """Those that have an SDK and are neither a worker nor below or above one."""
        family = set(self.workers)
        for pid in self.workers:
            family |= {above.pid for above in self._processes.above(pid)}
        return [
            process
            for process in self._speaking
            if process.pid not in family
            and not any(above.pid in self.workers for above in self._processes.above(process.pid))
        ]

    def found(self, routes: Routes) -> Iterator[Agent]:
        """Workers, then direct bots: programs without a worker that are connected to a server."""
        for pid, said in self.workers.items():
            leads = routes.of(self._processes[pid])
            yield self._agent(self._processes[pid], True, self._route(pid, leads), said)
        for process in self.without_worker:
            known = [route for route in routes.of(process) if route.known]
            if known:
                yield self._agent(process, False, known[0], {})

    def at(self, process: Process) -> Agent:
        """What any process tells of itself, without a look at its connections."""
        return self._agent(process, False, None, {})

    def program(self, process: Process) -> Program:
        """To ask what it runs on."""
        if process.pid not in self._programs:
            self._programs[process.pid] = Program(self._processes, self._places, process)
        return self._programs[process.pid]

    def _route(self, pid: int, leads: list[Route]) -> Route | None:
        """The worker's own connection: one to a server that we know, or else to its URL's port."""
        if leads and leads[0].known:
            return leads[0]
        parts = self.program(self._processes[pid]).settings.address
        if parts is None:
            return None
        port = parts.port or (443 if parts.scheme in ("wss", "https") else 80)
        return next((route for route in leads if route.seen.port == port), None)

    def _agent(
        self, process: Process, worker: bool, route: Route | None, said: dict[str, Any]
    ) -> Agent:
        name, jobs = said.get("agent_name"), said.get("active_jobs")
        program = self.program(process)
        return Agent(
            process,
            program.place,
            worker,
            route,
            program,
            name if isinstance(name, str) and name.isprintable() else None,
            jobs if isinstance(jobs, int) else None,
        )

    @cached_property
    def _speaking(self) -> list[Process]:
        """Who has an SDK loaded and is none of Relève's own, parents before their children."""
        found = [
            one
            for one in self._processes
            if self._processes.speaks_livekit(one.pid)
            and self._places.of(one).colour in (None, *COLOURS)
        ]
        return sorted(found, key=lambda one: (len(list(self._processes.above(one.pid))), one.pid))

    def _health(self, process: Process) -> dict[str, Any] | None:
        """A worker's answer: what `/worker` tells, or {} of one that only says that it is well."""
        for end in self._sockets.listening(process):
            if not (end.anywhere or end.loopback):
                continue  # a call's own port for media, which accepts and never answers
            answer = http_get(process.pid, end, "/worker")
            if answer is None:
                continue
            if answer[0] == 200:
                with contextlib.suppress(ValueError):
                    said = json.loads(answer[1])
                    if isinstance(said, dict) and "agent_name" in said:
                        return said
            elif http_get(process.pid, end, "/") == (200, "OK"):
                return {}
        return None
