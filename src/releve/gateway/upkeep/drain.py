"""Drained: cordoned, and the last call is over. Told once, and not before the server agrees.

0.7.2 never reports a job's end and a gateway that was replaced remembers no jobs, so an empty list
of jobs is only the reason to ask; the server's list of participants decides.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.server.room_service import Agent, RoomService, ServerError

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
ARRIVAL_SECONDS = 10.0
"""An agent may take so long to its room, and until then only the gateway that sent it knows."""


class Target(NamedTuple):
    """A colour of an agent, or one of its workers by its id."""

    agent: str
    name: str


class Drain:
    """Watches what is cordoned: colours and workers."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService) -> None:
        self.drained: set[Target] = set()
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._began = time.monotonic()

    def drained_of(self, agent: str) -> list[str]:
        """The agent's colours and workers that are drained."""
        return sorted(target.name for target in self.drained if target.agent == agent)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except ServerError as error:
                log.warning("who is in the rooms is not known", extra={"why": str(error)})
            await asyncio.sleep(CHECK_SECONDS)

    async def look(self) -> None:
        """One look; asks the server only when something cordoned has no job left here."""
        targets = self._cordoned()
        self.drained &= set(targets)
        waiting = targets.keys() - self.drained
        if waiting:  # else nobody need go through all jobs every second
            waiting -= self._busy()
        if not waiting:
            return
        agents = await self._room_service.agents()
        # Meanwhile the operator may have thought better of it.
        for item in sorted(waiting & self._cordoned().keys() - self._busy()):
            if not any(targets[item](agent) for agent in agents):
                self.drained.add(item)
                facts = item._asdict()
                self._dispatcher.events.publish("drained", **facts)
                log.info("drained", extra={"drained": facts})

    def _cordoned(self) -> dict[Target, Callable[[Agent], bool]]:
        """What is cordoned, with the test for an agent that belongs to it."""
        colours = {
            (item := Target(name, colour)): partial(_wears, item)
            for name, rules in self._dispatcher.rulebook.decisions.agents.items()
            for colour in rules.cordoned
        }
        workers = {
            Target(worker.agent, worker.id): partial(_is_of, worker.id)
            for worker in self._dispatcher.registry.workers.values()
            if worker.cordoned
        }
        return {**colours, **workers}

    def _busy(self) -> set[Target]:
        """Whatever has a job, or may have one on its way of which only its gateway knew."""
        lately = time.monotonic() - ARRIVAL_SECONDS
        if self._began > lately:
            return set(self._cordoned())
        held = [
            job.worker
            for job in self._dispatcher.registry.jobs.values()
            if job.ended is None or (job.state == "detached" and job.started > lately)
        ]
        return {
            Target(worker.agent, name) for worker in held for name in (worker.colour, worker.id)
        }


def _wears(item: Target, agent: Agent) -> bool:
    # Whoever came past the gateway was there before it: blue is the version in service before,
    # and whose blue it is nobody can tell.
    return (agent.agent or item.agent) == item.agent and (agent.colour or "blue") == item.name


def _is_of(worker: str, agent: Agent) -> bool:
    return agent.worker == worker
