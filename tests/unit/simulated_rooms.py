"""LiveKit Server as the gateway meets it, in simulated time: rooms, dispatches, jobs and what it
tells of them (method: livekit/livekit pkg/rtc/room.go, pkg/agent/worker.go)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from livekit import api
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.policy import COLOURS
from releve.gateway.registration_key import Key
from releve.gateway.server.errors import ServerError
from unit.simulated import SimulatedLoop

NOTICED_SECONDS = 15.0
"""So long the server lists an agent whose process is dead."""
ROOM, PARTICIPANT = proto.JobType.JT_ROOM, proto.JobType.JT_PARTICIPANT
Kind = models.ParticipantInfo.Kind


@dataclass(eq=False)
class Agent:
    """The process of one job, and its participant in the room."""

    job: proto.Job
    attributes: dict[str, str]
    holder: Any = None
    alive: bool = True
    listed: bool = False
    told_to_go: bool = False

    @property
    def identity(self) -> str:
        return f"agent-{self.job.id}"


@dataclass(eq=False)
class Room:
    name: str
    sid: str
    others: dict[str, models.ParticipantInfo] = field(default_factory=dict)
    agents: list[Agent] = field(default_factory=list)
    dispatches: dict[str, api.AgentDispatch] = field(default_factory=dict)
    made_by_gateway: set[str] = field(default_factory=set)
    must_have_an_agent: bool = False

    @property
    def callers(self) -> list[str]:
        return [who for who, info in self.others.items() if info.kind == Kind.STANDARD]

    def people(self) -> Iterator[models.ParticipantInfo]:
        yield from self.others.values()
        for agent in self.agents:
            if agent.listed:
                yield models.ParticipantInfo(
                    identity=agent.identity,
                    kind=Kind.AGENT,
                    attributes=agent.attributes,
                    tracks=[models.TrackInfo(type=models.TrackType.AUDIO)],
                )


class Connection:
    """One gateway's registration: what the server told by it, and hears."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.up = True

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if not self.up:
            raise ConnectionResetError("no connection")
        if message.WhichOneof("message") == "availability":
            self.server.heard(self, message.availability)


class Server:
    """The room service and the other end of the gateway's connections."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self.loop = loop
        self.rooms_by_name: dict[str, Room] = {}
        self.garbage = False
        self.connection = Connection(self)
        self.dispatcher: Dispatcher
        self.participant_jobs = False
        self.offers: dict[str, tuple[Room, proto.Job]] = {}
        self.assigned: dict[str, tuple[Connection, Agent]] = {}
        self.arrivals: dict[str, tuple[Room, Agent]] = {}
        self._numbers = itertools.count(1)

    # -- what the gateway asks (RoomService) -------------------------------------------------

    async def _ask(self) -> None:
        await asyncio.sleep(0.01)
        if self.garbage:
            raise ServerError("a proxy's page")

    async def rooms(self) -> list[models.Room]:
        await self._ask()
        return [models.Room(name=it.name, sid=it.sid) for it in self.rooms_by_name.values()]

    async def participants(self, room: str) -> list[models.ParticipantInfo]:
        await self._ask()
        found = self.rooms_by_name.get(room)
        return list(found.people()) if found else []

    async def dispatches(self, room: str) -> list[api.AgentDispatch]:
        await self._ask()
        found = self.rooms_by_name.get(room)
        return list(found.dispatches.values()) if found else []

    async def create_dispatch(self, wanted: api.CreateAgentDispatchRequest) -> str:
        await self._ask()
        if (room := self.rooms_by_name.get(wanted.room)) is None:
            raise ServerError("not_found")
        made = self.dispatch(room, wanted.metadata, wanted.agent_name)
        room.made_by_gateway.add(made)
        await asyncio.sleep(0.01)  # the offers may be faster than the answer
        return made

    async def delete_dispatch(self, dispatch_id: str, room: str) -> None:
        await self._ask()
        if room in self.rooms_by_name:
            self.delete(self.rooms_by_name[room], dispatch_id)

    async def remove_participant(self, room: str, identity: str) -> None:
        await self._ask()
        if room in self.rooms_by_name:
            for agent in self.rooms_by_name[room].agents[:]:
                if agent.identity == identity and agent.listed:
                    if agent in agent.holder.agents:
                        agent.holder.agents.remove(agent)
                    self.left(agent)

    def soon(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        once = self.dispatcher.background.once
        self.loop.call_soon(lambda: once("message", work()))

    # -- what it does ------------------------------------------------------------------------

    def dispatch(self, room: Room, metadata: str = "", agent_name: str = "") -> str:
        key = f"AD_{next(self._numbers)}"
        room.dispatches[key] = api.AgentDispatch(
            id=key, room=room.name, metadata=metadata, agent_name=agent_name
        )
        self._launch(room, key, ROOM)
        for caller in room.callers:
            self._launch(room, key, PARTICIPANT, caller)
        return key

    def join(self, room: Room, identity: str, kind: int, **attributes: str) -> None:
        info = models.ParticipantInfo(identity=identity, kind=kind, attributes=attributes)
        room.others[identity] = info
        if kind == Kind.STANDARD:
            for key in room.dispatches:
                self._launch(room, key, PARTICIPANT, identity)

    def _launch(self, room: Room, dispatch_id: str, kind: int, who: str = "") -> None:
        if not self.connection.up or (kind == PARTICIPANT and not self.participant_jobs):
            return
        job = proto.Job(id=f"AJ_{next(self._numbers)}", dispatch_id=dispatch_id, type=kind)
        job.room.name, job.room.sid = room.name, room.sid
        job.metadata = room.dispatches[dispatch_id].metadata
        job.participant.identity = who
        self.offers[job.id] = (room, job)
        request = proto.AvailabilityRequest(job=job)
        name = room.dispatches[dispatch_id].agent_name
        only = next((colour for colour in COLOURS if name == f"releve-{colour}"), None)
        offer = (self.connection, Key("default", name, "", only, kind), request)
        self.loop.call_soon(lambda: self.dispatcher.offer(*offer))

    def heard(self, connection: Connection, answer: proto.AvailabilityResponse) -> None:
        room, job = self.offers.pop(answer.job_id)
        if answer.available and connection.up:
            agent = Agent(job, dict(answer.participant_attributes))
            self.assigned[job.id] = (connection, agent)
            if job.dispatch_id in room.dispatches:
                room.dispatches[job.dispatch_id].state.jobs.append(job)
            self.arrivals[job.id] = (room, agent)
            given = proto.JobAssignment(job=job, token="no-jwt")
            self.soon(lambda: self.dispatcher.jobs.assign(given))

    def terminate(self, job_id: str) -> None:
        """Told by the connection that the job was assigned by, if it is still the same."""
        connection, _agent = self.assigned.pop(job_id, (None, None))
        if connection is self.connection and connection.up:
            told = proto.JobTermination(job_id=job_id)
            self.soon(lambda: self.dispatcher.jobs.terminate(told))

    def left(self, agent: Agent) -> None:
        """An agent's participant is gone."""
        agent.alive = agent.listed = False
        for room in self.rooms_by_name.values():
            if agent in room.agents:
                room.agents.remove(agent)
        self.terminate(agent.job.id)

    def dies(self, agent: Agent) -> None:
        agent.alive = False
        self.loop.call_later(NOTICED_SECONDS, self.left, agent)

    def delete(self, room: Room, dispatch_id: str) -> None:
        gone = room.dispatches.pop(dispatch_id, None)
        for job in gone.state.jobs if gone else []:
            if job.id in self.assigned:
                agent = self.assigned[job.id][1]
                agent.told_to_go = True
                self.terminate(job.id)
                self.loop.call_later(3.0, self.left, agent)

    def connection_breaks(self) -> None:
        self.connection.up = False
        self.dispatcher.server_lost(self.connection)
        self.offers.clear()
        self.connection = Connection(self)
