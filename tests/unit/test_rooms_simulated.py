"""Any order of blips, deaths, handovers, take-overs, restarts and garbage: never two agents in a
room but in a handover, nobody left alone, and drained means drained.

Hypothesis plays callers, workers, the network and the operator; the server is simulated, and so is
time. Workers of one kind report their jobs when they come back (livekit-agents from 1.4 on), those
of the other do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, cast
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from livekit.protocol import agent as proto

from releve.gateway.decisions.model import Decisions
from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.worker import Worker
from releve.gateway.handover.context import in_metadata
from releve.gateway.handover.handovers import Handovers, Refused
from releve.gateway.handover.leftovers import Leftovers
from releve.gateway.handover.model import Call, Context, Wanted
from releve.gateway.handover.open_rooms import OpenRooms
from releve.gateway.handover.steps import Steps
from releve.gateway.policy import COLOURS, Colour, Rules, Weights
from releve.gateway.server.errors import ServerError
from releve.gateway.server.room_service import RoomService
from releve.gateway.upkeep.drain import Drain, Target
from releve.gateway.upkeep.inherited_calls import InheritedCalls
from releve.gateway.upkeep.redispatch import Redispatcher
from unit.gateway_standin import RING
from unit.simulated import SimulatedLoop
from unit.simulated_rooms import PARTICIPANT, ROOM, Agent, Kind, Room, Server
from unit.test_dispatch_simulated import CONFIG

some_colour = st.sampled_from(COLOURS)
pick = st.integers(0, 1000)


class Gateway:
    """One gateway; a successor has the decisions and the name of the one before it."""

    def __init__(
        self,
        server: Server,
        decisions: Decisions,
        folder: Path,
        take_over: bool,
    ) -> None:
        self.dispatcher = Dispatcher(CONFIG, RING, decisions, "GW_simulated")
        room_service = cast(RoomService, server)
        self.drain = Drain(self.dispatcher, room_service)
        self.open_rooms = OpenRooms(folder / "state")
        steps = Steps(self.dispatcher, room_service, self.open_rooms, asked_nobody, in_metadata)
        self.handovers = Handovers(self.dispatcher, room_service, steps)
        leftovers = Leftovers(self.dispatcher, self.open_rooms, steps, take_over)
        keep = self.dispatcher.background.keep
        keep("redispatch", Redispatcher(self.dispatcher, room_service).run)
        keep("inherited", InheritedCalls(self.dispatcher, room_service).run)
        keep("drain", self.drain.run)
        keep("leftovers", leftovers.run)


async def asked_nobody(_call: Call, _seconds: float) -> Context | None:
    """Agents that know nothing of a context."""
    return None


class Process:
    """A worker's process: it holds agents, and is connected or not."""

    def __init__(self, world: World, colour: Colour, reports: bool, kind: int) -> None:
        self.world = world
        self.colour = colour
        self.reports = reports
        self.kind = kind
        self.address = f"10.0.0.{next(world.addresses)}"
        self.agents: list[Agent] = []
        self.worker: Worker | None = None

    def connect(self) -> None:
        dispatcher = self.world.gateway.dispatcher
        register = proto.RegisterWorkerRequest(type=self.kind)
        link = Link(self)
        self.worker = Worker("", "default", self.colour, link, register, self.address)
        self.worker.id = dispatcher.presence.id_for(self.worker)
        dispatcher.presence.join(self.worker)
        if self.reports:
            dispatcher.jobs.report(self.worker, [it.job.id for it in self.agents if it.alive])

    def disconnect(self) -> None:
        worker, self.worker = self.worker, None
        if worker is not None:
            self.world.gateway.dispatcher.presence.leave(worker)

    def says_goodbye(self, agent: Agent) -> None:
        self.agents.remove(agent)
        self.world.server.left(agent)
        self.tells_the_end(agent, failed=False)

    def tells_the_end(self, agent: Agent, failed: bool) -> None:
        if self.worker is not None and self.reports:
            message = proto.WorkerMessage()
            message.update_job.job_id = agent.job.id
            message.update_job.status = (
                proto.JobStatus.JS_FAILED if failed else proto.JobStatus.JS_SUCCESS
            )
            jobs, worker = self.world.gateway.dispatcher.jobs, self.worker
            self.world.server.soon(lambda: jobs.update(worker, message))


class Link:
    """One connection of a process."""

    def __init__(self, process: Process) -> None:
        self.process = process

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        process, world = self.process, self.process.world
        worker = process.worker
        if worker is None or worker.link is not self:
            raise ConnectionResetError("gone")
        kind = message.WhichOneof("message")
        if kind == "availability":
            reply = proto.WorkerMessage()
            reply.availability.job_id = message.availability.job.id
            reply.availability.available = True
            reply.availability.participant_identity = f"agent-{message.availability.job.id}"
            world.gateway.dispatcher.presence.heard(worker, reply)
        elif kind == "assignment":
            room, agent = world.server.arrivals.pop(message.assignment.job.id)
            room.agents.append(agent)
            agent.holder = process
            process.agents.append(agent)
            world.loop.call_later(3.0, self.arrives, agent)
        elif kind == "termination":
            for agent in [it for it in process.agents if it.job.id == message.termination.job_id]:
                process.agents.remove(agent)
                world.server.left(agent)

    def arrives(self, agent: Agent) -> None:
        agent.listed = agent.alive and any(
            agent in room.agents for room in self.process.world.server.rooms_by_name.values()
        )


class World(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()
        asyncio.set_event_loop(self.loop)
        self.clock = mock.patch("time.monotonic", lambda: self.loop.now)
        self.clock.start()
        numbers = itertools.count(1)  # the same names whenever Hypothesis plays it again
        self.names = mock.patch("secrets.token_hex", lambda count: f"{next(numbers):0{2 * count}x}")
        self.names.start()
        self.server = Server(self.loop)
        self.opened = 0
        self.addresses = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp())
        self.processes: list[Process] = []
        self.loop.run_until_complete(self.begin(Decisions({"default": Rules(Weights(50, 50))})))

    async def begin(self, decisions: Decisions, take_over: bool = False) -> None:
        self.gateway = Gateway(self.server, decisions, self.folder, take_over)
        self.server.dispatcher = self.gateway.dispatcher

    @property
    def rooms(self) -> list[Room]:
        return list(self.server.rooms_by_name.values())

    @property
    def in_calls(self) -> list[tuple[Room, Agent]]:
        return [(room, it) for room in self.rooms for it in room.agents if it.alive and it.listed]

    @property
    def under_way(self) -> set[tuple[str, str]]:
        """Rooms that are being handed over, or were when the gateway was killed."""
        return {(it.agent, it.room) for it in OpenRooms(self.folder / "state").load()}

    def passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # -- the world ---------------------------------------------------------------------------

    @rule(
        colour=some_colour, reports=st.booleans(), kind=st.sampled_from([ROOM, ROOM, PARTICIPANT])
    )
    def a_worker_comes(self, colour: Colour, reports: bool, kind: int) -> None:
        process = Process(self, colour, reports, kind)
        self.processes.append(process)
        process.connect()
        self.server.participant_jobs |= kind == PARTICIPANT

    @rule(metadata=st.sampled_from(["", "user 7"]))
    def a_caller_opens_a_room(self, metadata: str) -> None:
        self.opened += 1
        room = Room(f"room-{self.opened}", f"RM_{self.opened}")
        self.server.rooms_by_name[room.name] = room
        self.server.join(room, "caller", Kind.STANDARD)
        self.server.dispatch(room, metadata)
        self.passes(0.5)

    @rule()
    def calls_begin(self) -> None:
        for colour in COLOURS:
            self.a_worker_comes(colour, True, ROOM)
            self.a_caller_opens_a_room("user 7")
        self.passes(5.0)

    @precondition(lambda self: self.rooms)
    @rule(which=pick, who=st.sampled_from(["caller 2", "avatar", "recorder"]))
    def somebody_joins(self, which: int, who: str) -> None:
        room = self.rooms[which % len(self.rooms)]
        kinds = {"avatar": Kind.AGENT, "recorder": Kind.EGRESS}
        worn = {"lk.publish_on_behalf": "agent"} if who == "avatar" else {}
        if who not in room.others:
            self.server.join(room, who, kinds.get(who, Kind.STANDARD), **worn)

    @precondition(lambda self: self.rooms)
    @rule(which=pick)
    def the_callers_hang_up(self, which: int) -> None:
        room = self.rooms[which % len(self.rooms)]
        for caller in room.callers:
            del room.others[caller]
        room.must_have_an_agent = False

    @precondition(lambda self: self.in_calls)
    @rule(which=pick)
    def an_agent_says_goodbye(self, which: int) -> None:
        room, agent = self.in_calls[which % len(self.in_calls)]
        room.must_have_an_agent = False
        agent.holder.says_goodbye(agent)

    @precondition(lambda self: self.processes)
    @rule(which=pick, seconds=st.sampled_from([0.0, 0.5, 5.0, 70.0]))
    def a_connection_breaks_and_is_back(self, which: int, seconds: float) -> None:
        process = self.processes[which % len(self.processes)]
        process.disconnect()
        self.passes(seconds)
        process.connect()

    @precondition(lambda self: self.processes)
    @rule(which=pick)
    def a_worker_dies(self, which: int) -> None:
        process = self.processes.pop(which % len(self.processes))
        known = set(process.worker.jobs) if process.worker else set()
        for agent in process.agents:
            for room in self.rooms:
                if agent in room.agents and agent.alive and agent.job.type == ROOM:
                    room.must_have_an_agent = (
                        agent.job.id in known and bool(room.callers) and not agent.told_to_go
                    )
            self.server.dies(agent)
        process.disconnect()

    @precondition(lambda self: any(room.dispatches for room in self.rooms))
    @rule(which=pick)
    def the_app_deletes_a_dispatch(self, which: int) -> None:
        rooms = [room for room in self.rooms if room.dispatches]
        room = rooms[which % len(rooms)]
        self.server.delete(room, next(iter(room.dispatches)))
        room.must_have_an_agent = False

    @rule(garbage=st.booleans())
    def the_server_answers(self, garbage: bool) -> None:
        self.server.garbage = garbage

    @rule()
    def the_servers_connection_breaks(self) -> None:
        self.server.connection_breaks()

    @rule()
    def the_server_starts_again(self) -> None:
        """Its rooms are gone, and everybody has left."""
        for room in self.rooms:
            for agent in room.agents:
                agent.alive = agent.listed = False
        self.server.rooms_by_name.clear()
        self.server.connection_breaks()

    @rule()
    def the_gateway_is_taken_over(self) -> None:
        before, decisions = self.gateway, self.gateway.dispatcher.rulebook.decisions
        for room in self.rooms:  # what only the old one knows: deaths, and its dispatches
            room.must_have_an_agent = False
            room.made_by_gateway.clear()
        there = [process for process in self.processes if process.worker is not None]

        async def take_over() -> None:
            await before.dispatcher.wind_up(0.5)
            for process in there:
                process.disconnect()
            before.dispatcher.server_lost(self.server.connection)
            await before.dispatcher.background.stop()
            self.server.connection_breaks()
            await self.begin(decisions, take_over=True)
            await asyncio.sleep(0.2)
            for process in there:
                process.connect()

        self.loop.run_until_complete(take_over())

    @precondition(lambda self: self.in_calls)
    @rule(which=pick, seconds=st.sampled_from([0.0, 0.1, 3.1, 3.2, 5.0]))
    def a_call_is_handed_over(self, which: int, seconds: float) -> None:
        room, _agent = self.in_calls[which % len(self.in_calls)]
        wanted = Wanted(by="operator", room=room.name, context_seconds=0, without_context=True)

        async def start() -> None:
            with contextlib.suppress(Refused, ServerError):
                await self.gateway.handovers.start("default", wanted)
            await asyncio.sleep(seconds)

        self.loop.run_until_complete(start())

    @rule(colour=some_colour, cordoned=st.booleans())
    def the_operator_cordons(self, colour: Colour, cordoned: bool) -> None:
        book = self.gateway.dispatcher.rulebook
        rules = book.rules("default")
        wanted = rules.cordoned | {colour} if cordoned else rules.cordoned - {colour}
        book.enforce(Decisions({"default": Rules(rules.weights, wanted)}))

    @precondition(lambda self: self.processes)
    @rule(which=pick, cordoned=st.booleans())
    def the_operator_cordons_a_worker(self, which: int, cordoned: bool) -> None:
        worker = self.processes[which % len(self.processes)].worker
        if worker is not None:
            self.gateway.dispatcher.presence.cordon(worker, cordoned)

    @rule(seconds=st.sampled_from([0.2, 1.0, 4.0, 12.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.passes(seconds)

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def no_room_has_two_agents(self) -> None:
        for room in self.rooms:
            alive = [it for it in room.agents if it.alive and it.job.type == ROOM]
            staying = [it for it in alive if not it.told_to_go]
            if ("default", room.name) in self.under_way:
                colours = [it.attributes["releve.colour"] for it in staying]
                assert len(colours) == len(set(colours)), [it.job.id for it in alive]
            else:
                assert len(staying) <= 1, [it.job.id for it in alive]

    @invariant()
    def no_participant_has_two_agents_of_one_dispatch_of_the_rooms_own(self) -> None:
        for room in self.rooms:
            theirs = [it.job for it in room.agents if it.alive and it.job.type == PARTICIPANT]
            assert not [job for job in theirs if job.dispatch_id in room.made_by_gateway]
            counts = Counter((job.participant.identity, job.dispatch_id) for job in theirs)
            assert max(counts.values(), default=1) == 1

    @invariant()
    def a_try_that_came_to_nothing_leaves_no_dispatch(self) -> None:
        for room in self.rooms:
            made = room.made_by_gateway & room.dispatches.keys()
            assert len(made) <= 1 + (("default", room.name) in self.under_way)

    @invariant()
    def drained_is_true(self) -> None:
        dispatcher = self.gateway.dispatcher
        for target in self.gateway.drain.drained:
            for _room, agent in self.in_calls:
                assert target.name not in (
                    agent.attributes["releve.colour"],
                    agent.attributes["releve.worker"],
                )
            live = [job.worker for job in dispatcher.registry.running()]
            assert not [it for it in live if target.name in (it.id, it.colour)]

    @invariant()
    def every_job_is_on_its_workers_list_and_no_other(self) -> None:
        registry = self.gateway.dispatcher.registry
        held = [job_id for worker in registry.workers.values() for job_id in worker.jobs]
        assert len(held) == len(set(held))
        assert set(held) == set(registry.live)

    @invariant()
    def no_task_fails(self) -> None:
        failures = self.gateway.dispatcher.background.failures
        assert not +failures, failures

    def teardown(self) -> None:
        try:
            self.server.garbage = False
            self.gateway.dispatcher.rulebook.enforce(Decisions({"default": Rules(Weights(50, 50))}))
            for colour in COLOURS:
                self.a_worker_comes(colour, True, ROOM)
            self.passes(120.0)
            assert not self.under_way
            self.no_room_has_two_agents()
            self.no_task_fails()
            alone = [
                room.name
                for room in self.rooms
                if room.must_have_an_agent
                and room.callers
                and not [it for it in room.agents if it.alive and it.job.type == ROOM]
            ]
            assert alone == []
            for colour in COLOURS:
                self.the_operator_cordons(colour, True)
            for room in self.rooms:
                for agent in room.agents[:]:
                    self.server.left(agent)
            self.passes(60.0)
            jobs = self.gateway.dispatcher.registry.running()
            drained = {Target("default", colour) for colour in COLOURS}
            assert jobs or drained <= self.gateway.drain.drained
        finally:
            self.loop.run_until_complete(self.gateway.dispatcher.background.stop())
            self.clock.stop()
            self.names.stop()
            self.loop.close()
            asyncio.set_event_loop(None)
            shutil.rmtree(self.folder)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
