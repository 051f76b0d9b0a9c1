"""Any order of messages, crashes, flips and time: what must hold at the gateway's heart.

Hypothesis plays server, workers and operator, and is also the network: it decides which message
arrives next and when the clock moves. Time is simulated.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from livekit.protocol import agent as proto

from releve.gateway import policy
from releve.gateway.config import AgentKey, GatewayConfig
from releve.gateway.decisions.model import Decisions
from releve.gateway.dispatch.dispatcher import ASSIGNMENT_SECONDS, Dispatcher
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import COLOURS, Colour, Rules, Weights
from releve.gateway.registration_key import Key
from unit.gateway_standin import RING
from unit.simulated import SimulatedLoop

CONFIG = GatewayConfig(
    server_url="ws://server",
    media_url="ws://media",
    keys_file=Path("keys"),
    state_file=Path("state"),
    admin_socket=Path("admin"),
    answer_seconds=0.8,
    offer_seconds=2.5,
)
GIVES_UP_SECONDS = 2.8
"""LiveKit Server waits so long for an answer, asks nobody else and does not hear a later one."""
PUBLIC = Key("default")
KEYS = (PUBLIC, PUBLIC, *(Key("default", f"releve-{colour}", "", colour) for colour in COLOURS))
some_colour = st.sampled_from(COLOURS)
pick = st.integers(0, 1000)


class Peer:
    """A worker. A willing one says yes at once, another when hypothesis lets it."""

    def __init__(self, dispatcher: Dispatcher, number: int, colour: Colour, willing: bool) -> None:
        self.dispatcher = dispatcher
        self.willing = willing
        self.asked: list[str] = []
        self.assigned: list[str] = []
        self.gone = False
        register = proto.RegisterWorkerRequest()
        cap = dispatcher.config.agents["default"].calls_per_worker
        self.worker = Worker(
            f"W{number}", "default", colour, self, register, "10.0.0.1", most_calls=cap
        )

    async def send(self, message: Any) -> None:
        kind = message.WhichOneof("message")
        shut = self.worker.full or self.worker.cordoned
        assert not (kind == "availability" and shut), "asked although it takes nothing"
        await asyncio.sleep(0)
        if self.gone:
            raise ConnectionResetError("gone")
        if kind == "assignment":
            self.assigned.append(message.assignment.job.id)
        elif kind == "availability" and self.willing:
            self.answer(message.availability.job.id, True)
        elif kind == "availability":
            self.asked.append(message.availability.job.id)

    def answer(self, job_id: str, yes: bool) -> None:
        message = proto.WorkerMessage()
        message.availability.job_id = job_id
        message.availability.available = yes
        self.dispatcher.presence.heard(self.worker, message)


class Server:
    """One connection of the gateway to the server."""

    def __init__(self, loop: SimulatedLoop, steady: dict[str, set[Peer]]) -> None:
        self.loop = loop
        self.steady = steady
        self.since: dict[str, float] = {}
        self.up = True
        self.said: dict[str, list[bool]] = defaultdict(list)
        self.failed: set[str] = set()

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        if not self.up:
            raise ConnectionResetError("no connection")
        if message.WhichOneof("message") == "update_job":
            self.failed.add(message.update_job.job_id)
        else:
            answer = message.availability
            self.said[answer.job_id].append(answer.available)
            assert len(self.said[answer.job_id]) == 1, "one answer to one offer"
            assert self.loop.now - self.since[answer.job_id] < GIVES_UP_SECONDS, "nobody hears it"
            willing = self.steady.pop(answer.job_id)
            assert answer.available or not willing, "rejected beside one that would have taken it"


class TheGateway(RuleBasedStateMachine):
    config = CONFIG

    def __init__(self) -> None:
        super().__init__()
        self.loop = SimulatedLoop()
        asyncio.set_event_loop(self.loop)
        self.dispatcher = Dispatcher(self.config, RING, Decisions({"default": Rules()}))
        self.steady: dict[str, set[Peer]] = {}  # open offer: willing and eligible all along
        self.server = Server(self.loop, self.steady)
        self.lost: list[str] = []  # rooms that the gateway knows to have been left alone
        self.dispatcher.jobs.lost.append(lambda dispatch: self.lost.append(dispatch.room))
        self.unread: set[str] = set()  # offers to which the server has read no answer
        self.peers: list[Peer] = []  # those connected
        self.all: list[Peer] = []
        self.rooms: dict[str, str] = {}
        self.keys: dict[str, Key] = {}
        self.over: set[str] = set()  # jobs of which the server or their worker said so
        self.to_assign: list[str] = []  # the server has a yes and has not sent the assignment
        self.sent: set[str] = set()  # it has
        self.tasks: list[asyncio.Task[None]] = []

    # -- helpers -----------------------------------------------------------------------------

    @property
    def decided(self) -> Rules:
        return self.dispatcher.rulebook.rules("default")

    def enforce(self, rules: Rules) -> None:
        self.dispatcher.rulebook.enforce(Decisions({"default": rules}))

    def spin(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.loop.run_until_complete(asyncio.sleep(0))

    def eligible(self, job_id: str) -> set[Peer]:
        only = self.keys[job_id].only
        order = policy.colours_for(self.rooms[job_id], self.decided)
        if only is not None:
            order = policy.dark_colours(only, self.decided)
        return {
            peer
            for peer in self.peers
            if peer.willing
            and not (peer.gone or peer.worker.full or peer.worker.cordoned)
            and peer.worker.colour in order
        }

    def still_eligible(self) -> None:
        for job_id, willing in self.steady.items():
            willing &= self.eligible(job_id)

    def read_answers(self) -> None:
        for job_id in [item for item in sorted(self.unread) if self.server.said[item]]:
            self.unread.remove(job_id)
            if self.server.said[job_id] == [True]:
                self.to_assign.append(job_id)

    def offer(self, job_id: str) -> None:
        message = proto.AvailabilityRequest()
        message.job.id, message.job.room.name = job_id, self.rooms[job_id]
        self.steady[job_id] = self.eligible(job_id)
        self.server.since[job_id] = self.loop.now
        self.unread.add(job_id)
        key, loop = self.keys[job_id], self.loop
        loop.call_soon(lambda: self.tasks.append(self.dispatcher.offer(self.server, key, message)))
        loop.run_until_complete(asyncio.sleep(0))

    # -- the world ---------------------------------------------------------------------------

    @rule(colour=some_colour, willing=st.booleans())
    def a_worker_comes(self, colour: Colour, willing: bool) -> None:
        peer = Peer(self.dispatcher, len(self.all), colour, willing)
        self.peers.append(peer)
        self.all.append(peer)
        self.dispatcher.presence.join(peer.worker)

    @rule(colour=some_colour, size=st.integers(2, 5))
    def a_crowd_comes_that_hides_a_willing_one(self, colour: Colour, size: int) -> None:
        for _ in range(size):
            self.a_worker_comes(colour, False)
        self.a_worker_comes(colour, True)
        self.dispatcher.presence.report(self.peers[-1].worker, 0.9, False)

    @precondition(lambda self: self.peers)
    @rule(which=pick, half=st.booleans())
    def a_worker_crashes(self, which: int, half: bool) -> None:
        """`half`: the socket is dead and the gateway does not know yet."""
        peer = self.peers[which % len(self.peers)]
        peer.gone = True
        if not half:
            self.peers.remove(peer)
            self.dispatcher.presence.leave(peer.worker)

    @precondition(lambda self: any(peer.asked for peer in self.peers))
    @rule(which=pick, yes=st.booleans(), crashes=st.booleans())
    def a_worker_answers_at_last(self, which: int, yes: bool, crashes: bool) -> None:
        asked = [(peer, job_id) for peer in self.peers for job_id in peer.asked]
        peer, job_id = asked[which % len(asked)]
        peer.asked.remove(job_id)
        peer.answer(job_id, yes)
        if crashes:
            self.a_worker_crashes(self.peers.index(peer), False)

    @precondition(lambda self: self.peers)
    @rule(which=pick, load=st.floats(0, 1), full=st.booleans())
    def a_worker_reports(self, which: int, load: float, full: bool) -> None:
        self.dispatcher.presence.report(self.peers[which % len(self.peers)].worker, load, full)

    @rule(green=st.sampled_from([0, 30, 100]))
    def flip(self, green: int) -> None:
        weights = Weights(100 - green, green)
        self.enforce(replace(self.decided, weights=weights))

    @rule(colour=some_colour, cordoned=st.booleans())
    def cordon_a_colour(self, colour: Colour, cordoned: bool) -> None:
        rules = self.decided
        wanted = rules.cordoned | {colour} if cordoned else rules.cordoned - {colour}
        self.enforce(replace(rules, cordoned=wanted))

    @precondition(lambda self: self.peers)
    @rule(which=pick, cordoned=st.booleans())
    def cordon_a_worker(self, which: int, cordoned: bool) -> None:
        self.dispatcher.presence.cordon(self.peers[which % len(self.peers)].worker, cordoned)

    @rule(room=st.integers(0, 9), key=st.sampled_from(KEYS))
    def the_server_offers(self, room: int, key: Key) -> None:
        job_id = f"J{len(self.rooms)}"
        self.rooms[job_id], self.keys[job_id] = f"room-{room}", key
        self.offer(job_id)

    @rule(room=st.integers(0, 9))
    def a_call_begins(self, room: int) -> None:
        """From the offer to the assignment, when there is somebody: else few get that far."""
        self.the_server_offers(room, PUBLIC)
        self.spin(6)
        self.read_answers()
        while self.to_assign:
            self.the_server_assigns(0)
        self.spin(3)

    @rule()
    def the_server_reads(self) -> None:
        self.read_answers()

    @precondition(lambda self: self.to_assign)
    @rule(which=pick)
    def the_server_assigns(self, which: int) -> None:
        job_id = self.to_assign.pop(which % len(self.to_assign))
        self.sent.add(job_id)
        given = proto.JobAssignment(job=proto.Job(id=job_id), token="no-jwt")
        self.tasks.append(self.loop.create_task(self.dispatcher.jobs.assign(given)))

    @rule()
    def the_server_connection_breaks_and_is_back(self) -> None:
        """The server offers again whatever it has read no answer to."""
        self.server.up = False
        self.dispatcher.server_lost(self.server)
        running = {job.id for job in self.dispatcher.registry.running()} - self.over
        again = sorted(self.unread)
        waiting = {job_id for job_id in again if self.server.said.get(job_id) != [False]}
        waiting |= set(self.to_assign)
        alone = {self.rooms[job_id] for job_id in waiting}
        self.steady.clear()
        self.to_assign.clear()
        self.spin(2)
        assert {job.id for job in self.dispatcher.registry.running()} - self.over == running
        assert alone <= set(self.lost), "somebody waits there, and nobody knows"
        self.server = Server(self.loop, self.steady)
        for job_id in again:
            self.offer(job_id)

    @precondition(lambda self: self.dispatcher.registry.live)
    @rule(which=pick)
    def an_agent_leaves_its_room(self, which: int) -> None:
        live = sorted(self.dispatcher.registry.live)
        job_id = live[which % len(live)]
        if job_id in self.sent:
            self.over.add(job_id)
            message = proto.JobTermination(job_id=job_id)
            self.tasks.append(self.loop.create_task(self.dispatcher.jobs.terminate(message)))

    @precondition(lambda self: any(peer.assigned for peer in self.peers))
    @rule(which=pick, who=pick)
    def a_worker_says_that_a_job_is_over(self, which: int, who: int) -> None:
        """Its own, or another's, which is not its to end."""
        given = [(peer, job_id) for peer in self.peers for job_id in peer.assigned]
        owner, job_id = given[which % len(given)]
        teller = self.peers[who % len(self.peers)]
        if teller is owner:
            self.over.add(job_id)
        message = proto.WorkerMessage()
        message.update_job.job_id = job_id
        message.update_job.status = proto.JobStatus.JS_SUCCESS
        telling = self.dispatcher.jobs.update(teller.worker, message)
        self.tasks.append(self.loop.create_task(telling))
        self.spin()

    @rule(rounds=st.integers(1, 4))
    def messages_travel(self, rounds: int) -> None:
        self.spin(rounds)

    @rule(seconds=st.sampled_from([0.1, 0.8, 1.0, 3.0, 31.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    # -- what must hold ----------------------------------------------------------------------

    @invariant()
    def at_most_one_assignment_per_job(self) -> None:
        self.still_eligible()
        given = [job_id for peer in self.all for job_id in peer.assigned]
        assert len(given) == len(set(given))

    @invariant()
    def the_order_is_the_policys(self) -> None:
        registry = self.dispatcher.registry
        for colour in COLOURS:
            places = [
                policy.rank(worker.candidate())
                for worker in registry.workers.values()
                if worker.colour == colour
            ]
            assert list(registry.ranked["default", 0][colour]) == sorted(filter(None, places))

    @invariant()
    def every_job_is_on_its_workers_list_and_no_other(self) -> None:
        registry = self.dispatcher.registry
        held = {job_id for worker in registry.workers.values() for job_id in worker.jobs}
        assert (
            held
            == set(registry.live)
            == {job.id for job in registry.jobs.values() if not job.ended}
        )

    def teardown(self) -> None:
        try:
            self.loop.run_until_complete(asyncio.sleep(CONFIG.offer_seconds + 1))
            self.read_answers()
            while self.to_assign:
                self.the_server_assigns(0)
            self.spin(5)
            assert self.unread == set(), "every offer is answered"
            for task in self.tasks:
                crash = task.exception() if task.done() and not task.cancelled() else None
                assert crash is None or isinstance(crash, ConnectionError), crash
            given = {job_id for peer in self.all for job_id in peer.assigned}
            told = self.server.failed
            promised = {job_id for job_id in self.sent if self.server.said.get(job_id) == [True]}
            assert promised <= given | told, "assigned, or the server knows that it is not"
            self.loop.run_until_complete(asyncio.sleep(ASSIGNMENT_SECONDS + 1))
            jobs = self.dispatcher.registry.jobs
            held = {j for peer in self.peers for j in peer.assigned} - self.over
            assert {jobs[job_id].state for job_id in held} <= {"running"}, "a call was forgotten"
            states = {job.state for job in self.dispatcher.registry.running()}
            assert states <= {"running"}, "an offer that came to nothing is forgotten"
            assert not any(peer.worker.asked for peer in self.all), "no question is left open"
        finally:
            self.loop.close()
            asyncio.set_event_loop(None)


def test_forty_that_stay_silent_do_not_hide_the_one_that_would_come() -> None:
    """At 0.8 s each they would take half a minute; the server gives up after 2.8 s."""
    world = TheGateway()
    try:
        for _ in range(10):
            world.a_crowd_comes_that_hides_a_willing_one("blue", 4)
            world.peers[-1].willing = False
        world.a_crowd_comes_that_hides_a_willing_one("blue", 1)
        world.the_server_offers(1, PUBLIC)
        world.time_passes(CONFIG.offer_seconds)
        assert world.server.said == {"J0": [True]}
    finally:
        world.teardown()


class TheGatewayWithCaps(TheGateway):
    """Whoever finds no place waits for half a second: the rest holds as before."""

    config = CONFIG.model_copy(
        update={"agents": {"default": AgentKey(calls=5, calls_per_worker=2, queue_seconds=0.5)}}
    )

    def eligible(self, job_id: str) -> set[Peer]:
        """Nobody is for sure: a place may be taken between two looks."""
        return set()

    @rule(first=st.integers(0, 9), count=st.integers(2, 9))
    def a_burst_comes(self, first: int, count: int) -> None:
        for number in range(count):
            self.the_server_offers((first + number) % 10, PUBLIC)

    @invariant()
    def nobody_has_a_call_too_many(self) -> None:
        for peer in self.all:
            given = set(peer.assigned) - self.over
            assert len(peer.worker.jobs) <= 2
            assert len(given & self.dispatcher.registry.live.keys()) <= 2
        live = self.dispatcher.registry.live.values()
        assert len({job.room for job in live}) <= self.dispatcher.places.calls("default") <= 5

    @invariant()
    def the_calls_are_those_of_the_jobs_that_are_not_over(self) -> None:
        registry = self.dispatcher.registry
        left = [job for job in registry.jobs.values() if job.state not in ("ended", "lost")]
        assert set(registry.calls["default"]) == {job.room for job in left}

    def teardown(self) -> None:
        try:
            self.time_passes(CONFIG.offer_seconds + 1)
            full = self.dispatcher.places.full("default")
            free = [
                peer
                for peer in self.peers
                if not (peer.gone or peer.worker.full or peer.worker.cordoned)
                and len(peer.worker.jobs) < 2
            ]
            if free and not full and set(self.decided.cordoned) == set():
                for peer in free:
                    peer.willing = True
                self.enforce(replace(self.decided, fallback=frozenset(COLOURS)))
                self.the_server_offers(99, PUBLIC)
                job_id = f"J{len(self.rooms) - 1}"
                self.time_passes(CONFIG.offer_seconds)
                assert self.server.said[job_id] == [True], "a place was left, and nobody got it"
        finally:
            super().teardown()


TestTheGateway = TheGateway.TestCase
TestTheGatewayWithCaps = TheGatewayWithCaps.TestCase
TestTheGatewayWithCaps.settings = settings(max_examples=1000, stateful_step_count=30, deadline=None)
TestTheGateway.settings = settings(max_examples=1000, stateful_step_count=30, deadline=None)
