"""GET /why: why a room has the agent that it has, or none."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from aiohttp import web
from livekit import api
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway import policy
from releve.gateway.config import DEFAULT
from releve.gateway.dispatch import agent_attributes
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.job import Job
from releve.gateway.operator import answers
from releve.gateway.operator.verdict import Case, Crowd, Told, verdict
from releve.gateway.policy import COLOURS, Colour
from releve.gateway.registration_key import Key
from releve.gateway.server.connection import ServerConnection
from releve.gateway.server.errors import ServerError
from releve.gateway.server.participants import Agent, agents_of, is_agent, is_caller
from releve.gateway.server.room_service import RoomService

NAME_CHARACTERS = 256
SHOWN = 50
"""At most so many participants and dispatches are listed; the sentences count all."""
AT_ONCE, WAITING = 2, 20
"""Questions answered at a time, and those that may wait besides: each asks the server three things,
and calls come first."""


class Seen(NamedTuple):
    """A room by the server's word; `silence` says why that is not known."""

    room: str
    listed: bool = False
    people: Sequence[models.ParticipantInfo] = ()
    dispatches: Sequence[api.AgentDispatch] = ()
    silence: str = ""

    @property
    def agents(self) -> list[Agent]:
        """Those that are there for the room."""
        return [it for it in agents_of(self.room, list(self.people)) if it.for_room]


class Why:
    """One question per room; the server is asked each time."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        upstreams: Sequence[ServerConnection],
        room_service: RoomService,
    ) -> None:
        self._dispatcher = dispatcher
        self._room_service = room_service
        self._upstreams = {
            (item.key.agent_name, item.key.deployment): item
            for item in upstreams
            if item.key.kind == proto.JobType.JT_ROOM
        }
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def handle(self, request: web.Request) -> web.Response:
        """200 also when the server does not answer: what is known here is told."""
        return await self._respond(request, whole=True)

    async def handle_public(self, request: web.Request) -> web.Response:
        """The same without the callers: for the page, which anybody on the host may read."""
        return await self._respond(request, whole=False)

    async def _respond(self, request: web.Request, whole: bool) -> web.Response:
        room = request.query.get("room", "")
        if not 0 < len(room) <= NAME_CHARACTERS:
            return answers.mistake("why: give the name of a room, like /why?room=lesson-7")
        if self._waiting >= WAITING:
            return answers.mistake("why: too many ask at once; ask again", 503, reason="busy")
        self._waiting += 1
        try:
            async with self._gate:
                answer = await self._answer(room)
        finally:
            self._waiting -= 1
        if not whole:
            answer["server"] = None
        return web.json_response(answer)

    async def _answer(self, room: str) -> dict[str, object]:
        seen = await self._look(room)
        return {
            "room": room,
            "place": policy.bucket(room),
            "agents": [self._of(agent, seen) for agent in self._concerned(seen)],
            "server": {
                "error": seen.silence or None,
                "listed": None if seen.silence else seen.listed,
                "participants": [_participant(who) for who in seen.people[:SHOWN]],
                "dispatches": [self._dispatch(it) for it in seen.dispatches[:SHOWN]],
            },
            "history": [entry.describe() for entry in self._dispatcher.history.of(room)],
        }

    async def _look(self, room: str) -> Seen:
        try:
            if await self._room_service.room(room) is None:
                return Seen(room)  # of a room that is not there v1.8.4 answers nothing else
            people, dispatches = await asyncio.gather(
                self._room_service.participants(room), self._room_service.dispatches(room)
            )
        except ServerError as error:
            return Seen(room, silence=str(error))
        return Seen(room, True, people, dispatches)

    def _concerned(self, seen: Seen) -> list[str]:
        """The agents that anything here is about; the default one if there are none."""
        found = {it.agent or DEFAULT for it in seen.agents}
        found |= {key.agent for it in seen.dispatches if (key := self._key(it)) is not None}
        found |= {str(it.facts["agent"]) for it in self._dispatcher.history.of(seen.room)}
        found |= {job.key.agent for job in self._live(seen.room)}
        known = [agent for agent in self._dispatcher.config.agents if agent in found]
        return known or [DEFAULT]

    def _case(self, agent: str, seen: Seen) -> Case:
        dispatcher = self._dispatcher
        keys = [(it, self._key(it)) for it in seen.dispatches]
        own = [it for it, key in keys if key is not None and key.agent == agent]
        told = Told(
            seen.listed,
            sum(map(is_caller, seen.people)),
            [it for it in seen.agents if (it.agent or DEFAULT) == agent],
            own,
            [it for it, key in keys if key is None],
        )
        return Case(
            agent=agent,
            room=seen.room,
            agent_name=dispatcher.config.agents[agent].agent_name,
            rules=dispatcher.rulebook.rules(agent),
            workers={colour: self._crowd(agent, colour) for colour in COLOURS},
            history=[it for it in dispatcher.history.of(seen.room) if it.facts["agent"] == agent],
            live=[job for job in self._live(seen.room) if job.key.agent == agent],
            now=time.monotonic(),
            told=None if seen.silence else told,
            silence=seen.silence,
            lost=sorted({lost for it in own if (lost := self._lost(it))}),
        )

    def _of(self, agent: str, seen: Seen) -> dict[str, object]:
        case = self._case(agent, seen)
        found, rules, dispatcher = verdict(case), case.rules, self._dispatcher
        return {
            "agent": agent,
            "why": found.why,
            "remedy": found.remedy,
            "weights": rules.weights.as_dict(),
            "cordoned": sorted(rules.cordoned),
            "fallback": sorted(rules.fallback),
            "colours": policy.colours_for(seen.room, rules),
            "workers": {colour: crowd._asdict() for colour, crowd in case.workers.items()},
            "keys": [
                {**item.describe(), "load": round(load, 3), "full": full}
                for item in self._upstreams.values()
                if item.key.agent == agent and item.wanted
                for load, full in [dispatcher.load(item.key)]
            ],
        }

    def _crowd(self, agent: str, colour: Colour) -> Crowd:
        workers = [
            it
            for it in self._dispatcher.registry.workers.values()
            if (it.agent, it.colour, it.register.type) == (agent, colour, proto.JobType.JT_ROOM)
        ]
        counts = Counter(
            "cordoned" if it.cordoned else "full" if it.full else "free" for it in workers
        )
        return Crowd(len(workers), counts["cordoned"], counts["full"])

    def _live(self, room: str) -> list[Job]:
        running = self._dispatcher.registry.running()
        return [job for job in running if job.room == room and job.dispatch.for_room]

    def _key(self, dispatch: api.AgentDispatch) -> Key | None:
        """The key under which it comes here; None when it comes to somebody else."""
        item = self._upstreams.get((dispatch.agent_name, dispatch.deployment))
        return None if item is None else item.key

    def _lost(self, dispatch: api.AgentDispatch) -> str:
        item = self._upstreams.get((dispatch.agent_name, dispatch.deployment))
        return "" if item is None or item.registered.is_set() else str(item.key)

    def _dispatch(self, dispatch: api.AgentDispatch) -> dict[str, object]:
        """Without its metadata and attributes, which are the application's."""
        key = self._key(dispatch)
        return {
            "dispatch": dispatch.id,
            "agent_name": dispatch.agent_name,
            "deployment": dispatch.deployment,
            "agent": None if key is None else key.agent,
            "jobs": [
                {
                    "job": job.id,
                    "status": proto.JobStatus.Name(job.state.status),
                    "error": job.state.error,
                    "worker": job.state.worker_id,
                }
                for job in dispatch.state.jobs[:SHOWN]
            ],
        }


def _participant(who: models.ParticipantInfo) -> dict[str, object]:
    return {
        "identity": who.identity,
        "kind": "agent" if is_agent(who) else "caller" if is_caller(who) else "other",
        "agent": who.attributes.get(agent_attributes.AGENT),
        "colour": agent_attributes.colour(who.attributes),
        "worker": who.attributes.get(agent_attributes.WORKER),
    }
