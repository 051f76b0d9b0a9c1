"""Drained: cordoned, and the server lists no agent of it in any room.

0.7.2 never reports a job's end and a gateway that was replaced remembers no jobs, so an empty list
of jobs is only the reason to ask. Whether something is drained is computed whenever it is asked:
from the cordons and jobs of that moment, and from what the server has said of each room since the
last job there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import NamedTuple

from livekit.protocol import models

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.job import Job
from releve.gateway.policy import Colour
from releve.gateway.server.errors import ServerError
from releve.gateway.server.participants import Agent, agents_of
from releve.gateway.server.room_service import RoomService

log = logging.getLogger(__name__)

CHECK_SECONDS = 1.0
SELDOM = 10
"""While all that is cordoned is drained, so many times as long."""
ARRIVAL_SECONDS = 10.0
"""An agent may take so long to its room, and until then only the gateway that sent it knows."""
ROOMS_AT_ONCE = 25
"""Rooms asked about at each look: with a thousand of them offers still come first."""
PAST_THE_GATEWAY: Colour = "blue"
"""Whoever came past the gateway was there before it: blue is the version in service before, and
whose blue it is nobody can tell."""
NEVER = float("-inf")


class Target(NamedTuple):
    """A colour of an agent, or one of its workers by its id."""

    agent: str
    name: str


class Quiet(NamedTuple):
    """Something cordoned without a job: since when, and when its last one in each room was over."""

    since: float
    rooms: dict[str, float]


class Seen(NamedTuple):
    """What the server said of a room, and how many were in it by its list of rooms."""

    at: float
    counts: tuple[int, int]
    agents: list[Agent]


class Listed(NamedTuple):
    """A room of the server's list, and when it was listed first."""

    room: models.Room
    first: float


class Drain:
    """Watches what is cordoned: colours and workers."""

    def __init__(self, dispatcher: Dispatcher, room_service: RoomService) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._began = time.monotonic()
        self._listed = NEVER  # when the server told last which rooms there are
        self._rooms: dict[str, Listed] = {}
        self._seen: dict[str, Seen] = {}
        self._whole: dict[Target, tuple[float, float]] = {}  # quiet since, first list after that
        self._told: set[Target] = set()

    @property
    def drained(self) -> set[Target]:
        """What is drained now; nothing while the server does not answer."""
        quiet = self._quiet()
        if not quiet or self._listed == NEVER:
            return set()
        held = self._held(quiet)
        return {it for it in quiet if it not in held and not self._unseen(it, quiet[it])}

    def drained_of(self, agent: str) -> list[str]:
        """The agent's colours and workers that are drained."""
        return sorted(target.name for target in self.drained if target.agent == agent)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except ServerError as error:
                self._listed = NEVER
                log.warning("who is in the rooms is not known", extra={"why": str(error)})
            await asyncio.sleep(CHECK_SECONDS)

    async def look(self) -> None:
        """One look; asks the server only when something cordoned has no job left here."""
        quiet = self._quiet()
        if not quiet:
            self._seen.clear()
            self._rooms.clear()
            self._told.clear()
            return
        at = time.monotonic()
        seldom = CHECK_SECONDS * SELDOM if quiet.keys() <= self.drained else 0.0
        if at < self._listed + seldom:
            return
        await self._list(quiet, at)
        asked = sorted(self._to_ask(quiet), key=self._last_asked)[:ROOMS_AT_ONCE]
        await asyncio.gather(*map(self._ask, asked))
        self._tell()

    def _tell(self) -> None:
        drained = self.drained
        for item in sorted(drained - self._told):
            facts = item._asdict()
            self._dispatcher.events.publish("drained", **facts)
            log.info("drained", extra={"drained": facts})
        self._told = drained

    # -- what the server says ----------------------------------------------------------------

    async def _list(self, quiet: dict[Target, Quiet], at: float) -> None:
        """One question for all rooms."""
        before, self._rooms = self._rooms, {}
        for room in await self._room_service.rooms():
            key = room.sid or room.name
            self._rooms[key] = Listed(room, before[key].first if key in before else at)
        self._seen = {key: seen for key, seen in self._seen.items() if key in self._rooms}
        self._whole = {
            target: known if known and known[0] == told.since else (told.since, at)
            for target, told in quiet.items()
            for known in [self._whole.get(target)]
        }
        self._listed = at

    def _to_ask(self, quiet: dict[Target, Quiet]) -> set[str]:
        """Rooms with an agent of what is cordoned, and those in which one may be; these wait as
        long as they make no difference."""
        held = self._held(quiet)
        asked = {key for keys in held.values() for key in keys}
        for target in quiet.keys() - held.keys():
            asked |= self._unseen(target, quiet[target])
            if target.name == PAST_THE_GATEWAY:  # such agents may come at any time
                asked |= {key for key in self._rooms if self._changed(key)}
        return asked

    def _unseen(self, target: Target, quiet: Quiet) -> set[str]:
        """Rooms from before it had no job any more, and not looked into since. It cannot have
        come into later ones."""
        since, whole = self._whole.get(target, (NEVER, NEVER))
        if since != quiet.since:
            return {"some room that is not listed yet"}
        return {
            key
            for key, (room, first) in self._rooms.items()
            if first <= whole
            and (key not in self._seen or self._seen[key].at < quiet.rooms.get(room.name, NEVER))
        }

    def _changed(self, key: str) -> bool:
        return key not in self._seen or self._seen[key].counts != _counts(self._rooms[key].room)

    def _held(self, quiet: Iterable[Target]) -> dict[Target, set[str]]:
        """By what is cordoned, the rooms with an agent of it."""
        held: dict[Target, set[str]] = {}
        for key, seen in self._seen.items():
            for agent in seen.agents:
                for target in quiet:
                    if _is_of(agent, target):
                        held.setdefault(target, set()).add(key)
        return held

    def _last_asked(self, key: str) -> float:
        return self._seen[key].at if key in self._seen else NEVER

    async def _ask(self, key: str) -> None:
        if key in self._rooms:
            room, at = self._rooms[key].room, time.monotonic()
            people = await self._room_service.participants(room.name)
            self._seen[key] = Seen(at, _counts(room), agents_of(room.name, people))

    # -- what is known here ------------------------------------------------------------------

    def _quiet(self) -> dict[Target, Quiet]:
        """What is cordoned and has no job, nor an agent on its way of which only we know."""
        arrived = self._began + ARRIVAL_SECONDS  # all whom a gateway before this one sent
        quiet = {target: Quiet(arrived, {}) for target in self._cordoned()}
        if not quiet or (now := time.monotonic()) < arrived:
            return {}
        for job in self._dispatcher.registry.jobs.values():
            worker = job.worker
            for target in (
                Target(worker.agent, worker.colour),
                Target(worker.agent, worker.id),
            ):
                if target in quiet:
                    since, rooms = quiet[target]
                    over = _over(job)
                    rooms[job.room] = max(over, rooms.get(job.room, NEVER))
                    quiet[target] = Quiet(max(since, over), rooms)
        return {target: told for target, told in quiet.items() if told.since <= now}

    def _cordoned(self) -> set[Target]:
        colours = {
            Target(name, colour)
            for name, rules in self._dispatcher.rulebook.decisions.agents.items()
            for colour in rules.cordoned
        }
        workers = {
            Target(worker.agent, worker.id)
            for worker in self._dispatcher.registry.workers.values()
            if worker.cordoned
        }
        away = {Target(worker.agent, worker.id) for worker in self._dispatcher.presence.away}
        return colours | workers | away


def _counts(room: models.Room) -> tuple[int, int]:
    return room.num_participants, room.num_publishers


def _over(job: Job) -> float:
    """When no agent of the job can be on its way to the room any more."""
    if job.ended is None:
        return float("inf")
    if job.state == "detached":
        return max(job.ended, job.started + ARRIVAL_SECONDS)
    return job.ended


def _is_of(agent: Agent, target: Target) -> bool:
    if agent.worker == target.name:
        return True
    colour = agent.colour or PAST_THE_GATEWAY
    return (agent.agent or target.agent) == target.agent and colour == target.name
