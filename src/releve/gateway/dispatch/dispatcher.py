"""Every offer of the server ends in one assignment or one rejection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway import policy
from releve.gateway.auth.api_keys import Keyring
from releve.gateway.background import Background
from releve.gateway.config import GatewayConfig
from releve.gateway.decisions.in_force import Rulebook
from releve.gateway.decisions.model import Decisions
from releve.gateway.dispatch import agent_attributes
from releve.gateway.dispatch.job import Dispatch, Job
from releve.gateway.dispatch.jobs import Jobs
from releve.gateway.dispatch.metrics import Metrics
from releve.gateway.dispatch.offer import OfferRound
from releve.gateway.dispatch.places import Full, Places
from releve.gateway.dispatch.presence import Presence
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.repeats import Repeats
from releve.gateway.dispatch.room_history import RoomHistory
from releve.gateway.dispatch.worker import Link, Worker
from releve.gateway.events import Events
from releve.gateway.policy import Colour
from releve.gateway.registration_key import Key

log = logging.getLogger(__name__)

ASSIGNMENT_SECONDS = 3.0
"""After this an accepted offer is forgotten: the server takes no longer for all of a job."""


IDENTITY = "identity"
CallerOf = Callable[[str, models.ParticipantInfo, str], Awaitable[str]]
"""Of a room, the participant of the job if it is one's own, and what to tell callers apart by."""


class Dispatcher:
    """Takes the server's offers, asks workers in the policy's order, and keeps jobs and workers
    together until the job ends. The rules are read at every choice and once more when a worker
    says yes, so a flip or a cordon falls between two choices and never inside one.

    `gateway` is written into agents' attributes: the name of this gateway and its successors.
    """

    def __init__(
        self, config: GatewayConfig, ring: Keyring, decisions: Decisions, gateway: str = ""
    ) -> None:
        self.config = config
        self.gateway = gateway
        self.background = Background()
        self.ring = ring
        self.events = Events()
        self.registry = Registry(config.agents)
        self.rulebook = Rulebook(
            decisions,
            config.state_file,
            frozenset(config.fallback),
            self.events,
            self.registry.serving,
        )
        self.presence = Presence(self.registry, self.rulebook, self.events)
        self.metrics = Metrics(
            tuple(config.agents), self.registry, self.rulebook, self.background.failures
        )
        self.jobs = Jobs(config, ring, self.registry)
        self.repeats = Repeats()
        self.history = RoomHistory()
        self.registry.over.append(self.history.over)
        self.places = Places(config, self.registry)
        self.presence.left.append(self.jobs.left)
        self._open: set[str] = set()
        self._offers: dict[asyncio.Task[None], tuple[Link, Dispatch]] = {}
        self.caller_of: CallerOf = _nobody_knows
        self.closing = False
        self._turned_away = asyncio.Event()
        self._held = 0

    # -- what the server asks --------------------------------------------------------------

    def offer(
        self, upstream: Link, key: Key, request: proto.AvailabilityRequest
    ) -> asyncio.Task[None]:
        """Answer one availability request that came to `key`; the task does not fail."""
        dispatch = Dispatch.of(key, request.job)
        task = self.background.once("offer", self._offer(upstream, dispatch, request))
        self._offers[task] = (upstream, dispatch)
        task.add_done_callback(self._offers.pop)
        return task

    def on_its_way(self, agent: str, room: str) -> bool:
        """Whether somebody is asked to come to that room as that agent, or was told to."""
        dispatches = [dispatch for _, dispatch in self._offers.values()]
        dispatches += [job.dispatch for job in self.registry.running()]
        return any(it.for_room and (it.key.agent, it.room) == (agent, room) for it in dispatches)

    async def _offer(
        self, upstream: Link, dispatch: Dispatch, request: proto.AvailabilityRequest
    ) -> None:
        try:
            await self._answer(upstream, dispatch, request)
        except Exception as error:
            self.jobs.tell_lost(dispatch)
            if not isinstance(error, ConnectionError):
                raise
            log.warning("server left during an offer", extra={"job": request.job.id})

    async def _answer(
        self, upstream: Link, dispatch: Dispatch, request: proto.AvailabilityRequest
    ) -> None:
        began, clock = time.monotonic(), asyncio.get_running_loop().time()
        job_id, key, room = request.job.id, dispatch.key, dispatch.room
        # The key tells who may take it: a simulated job may say another type than its connection.
        ranked = self.registry.ranked[key.agent, key.kind]
        if self.closing:
            await self._hold()
            await upstream.send(_rejection(job_id))  # the server asks another at once
            return
        if await self._came_already(dispatch):
            await upstream.send(_rejection(job_id, terminate=True))
            return
        if job_id in self._open or job_id in self.registry.live:
            log.error("offered twice: the second is rejected", extra={"job": job_id})
            await upstream.send(_rejection(job_id))
            return
        self._open.add(job_id)
        full = caller = ""
        asking = OfferRound(
            request,
            lambda: self._colours(key, room, caller),
            ranked,
            self.registry,
            self.background,
        )
        try:
            caller = await self._caller(dispatch, request.job)
            taken = await self._taken(dispatch, asking, caller, clock)
        except Full as cap:
            taken, full = None, str(cap)
        finally:
            self._open.remove(job_id)
        if taken is None and asking.asked:
            self.places.wake(key.agent)
        job = None
        if taken is None:
            answer, colour, outcome = _rejection(job_id), "none", "full" if full else "rejected"
        elif taken[1].availability.terminate:
            worker, answer = taken
            colour, outcome = worker.colour, "terminated"
            self.jobs.tell_refused(dispatch)
        else:
            worker, answer = taken
            job = Job(job_id, dispatch, worker, upstream, answer.availability.participant_identity)
            colour, outcome = worker.colour, "assigned"
            agent_attributes.put(answer.availability, job, self.gateway)
            self.registry.accept(job)
        try:
            await upstream.send(answer)  # first: nobody should wait for our bookkeeping
        except ConnectionError:
            if job is not None:
                self.registry.end(job, "lost")
            raise
        finally:
            facts = {"job": job_id, "room": room, "agent": key.agent}
            facts |= {"outcome": outcome, "colour": colour}
            if full:
                facts["cap"] = full
            self._note(facts, time.monotonic() - began)
            rules, taker = self.rulebook.rules(key.agent), None if taken is None else taken[0]
            self.history.offer(dispatch, rules, caller, asking, facts, taker)
        if job is not None:
            asyncio.get_running_loop().call_later(ASSIGNMENT_SECONDS, self._expire, job)

    async def _taken(
        self, dispatch: Dispatch, asking: OfferRound, caller: str, began: float
    ) -> tuple[Worker, proto.WorkerMessage] | None:
        """Who takes it, or ends the offer. Raises Full when caps leave no place to wait for."""
        clock, config, key = asyncio.get_running_loop().time, self.config, dispatch.key
        until = began + self.places.seconds(key.agent)
        while True:
            try:
                with self.places.asking(key.agent, dispatch.room):
                    left = config.offer_seconds - (clock() - began)
                    taken = await asking.first_yes(config.answer_seconds, left)
                colours = self._colours(key, dispatch.room, caller)
                if taken is not None or not self.places.may_come(key.agent, key.kind, colours):
                    return taken
                cap = f"all calls that a worker of {key.agent} may have"
            except Full as full:
                cap = str(full)
            if not await self.places.changed(key.agent, until):
                raise Full(cap)

    async def _came_already(self, dispatch: Dispatch) -> bool:
        """Whether it is for a participant, under a dispatch that the gateway made for the room."""
        seconds = self.config.offer_seconds
        return not dispatch.for_room and await self.repeats.include(
            dispatch.room, dispatch.id, seconds
        )

    async def _caller(self, dispatch: Dispatch, job: proto.Job) -> str:
        """Who calls, where that decides about the colour; empty when it does not or is not known
        in time."""
        key = dispatch.key
        rules, sticky = self.rulebook.rules(key.agent), self.config.agents[key.agent].sticky
        if key.only is not None or not (sticky or rules.listed) or dispatch.room in rules.listed:
            return ""
        return await self.caller_of(dispatch.room, job.participant, sticky or IDENTITY)

    def _colours(self, key: Key, room: str, caller: str = "") -> tuple[Colour, ...]:
        rules = self.rulebook.rules(key.agent)
        if key.only is not None:
            return policy.dark_colours(key.only, rules)
        return policy.colours_for(room, rules, caller)

    def _note(self, facts: dict[str, str], seconds: float) -> None:
        self.metrics.offers.labels(facts["agent"], facts["outcome"], facts["colour"]).inc()
        self.metrics.offer_seconds.labels(facts["agent"]).observe(seconds)
        log.info("offer", extra=facts)
        self.events.publish("offer", ms=round(seconds * 1000, 2), **facts)

    def _expire(self, job: Job) -> None:
        if job.state == "offered":
            log.warning("no assignment followed the offer", extra={"job": job.id})
            self.jobs.lose(job)

    async def wind_up(self, seconds: float) -> None:
        """Take no more offers, and wait for those that are open: answered, and assigned.

        What is offered from now on is held until `turn_away`.
        """
        self.closing = True
        until = time.monotonic() + seconds
        while self._promises() and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def turn_away(self) -> None:
        """Reject what was held; returns when that is said."""
        self._turned_away.set()
        while self._held:  # noqa: ASYNC110  sent in the next rounds of the loop
            await asyncio.sleep(0)

    async def _hold(self) -> None:
        self._held += 1
        try:
            await self._turned_away.wait()
            await asyncio.sleep(0)
        finally:
            self._held -= 1

    def _promises(self) -> bool:
        return bool(self._open) or any(job.state == "offered" for job in self.registry.running())

    def server_lost(self, upstream: Link) -> None:
        """A connection to the server is gone, and with it what it had offered and not assigned."""
        for task, (link, dispatch) in list(self._offers.items()):
            if link is upstream:
                task.cancel()
                self.jobs.tell_lost(dispatch)
        for job in self.registry.running():
            if job.upstream is upstream and job.state == "offered":
                self.jobs.lose(job)

    def load(self, key: Key) -> tuple[float, bool]:
        """Load (0 to 1) and fullness of the gateway as one worker of that key."""
        rules = self.rulebook.rules(key.agent)
        only = key.only
        colours = policy.public_colours(rules) if only is None else policy.dark_colours(only, rules)
        ranked = self.registry.ranked[key.agent, key.kind]
        if self.closing:
            return policy.LEAVING_LOAD, False
        if self.places.full(key.agent) and not self.places.seconds(key.agent):
            return 1.0, True
        load = policy.capacity(colours, ranked)
        if load is None and self.places.may_come(key.agent, key.kind, colours):
            return policy.HIGHEST_LOAD, False  # a place may be free in a moment
        return (1.0, True) if load is None else (load, False)


async def _nobody_knows(_room: str, _who: models.ParticipantInfo, _by: str) -> str:
    return ""


def _rejection(job_id: str, terminate: bool = False) -> proto.WorkerMessage:
    message = proto.WorkerMessage()
    message.availability.job_id = job_id
    message.availability.available = False
    message.availability.terminate = terminate
    return message
