"""The heart: every offer of the server ends in one assignment or one honest rejection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from livekit.protocol import agent as proto

from releve.gateway import policy
from releve.gateway.auth import tokens
from releve.gateway.auth.api_keys import Keyring
from releve.gateway.config import GatewayConfig
from releve.gateway.decisions.in_force import Rulebook
from releve.gateway.decisions.model import Decisions
from releve.gateway.dispatch import agent_attributes
from releve.gateway.dispatch.metrics import Metrics
from releve.gateway.dispatch.offer import OfferRound
from releve.gateway.dispatch.presence import Presence
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Job, Link, Worker
from releve.gateway.events import Events
from releve.gateway.policy import Colour
from releve.gateway.registration_key import Key

log = logging.getLogger(__name__)

ENDED = (proto.JobStatus.JS_SUCCESS, proto.JobStatus.JS_FAILED)
ASSIGNMENT_SECONDS = 3.0
"""After this an accepted offer is forgotten: the server takes no longer for all of a job."""


class Dispatcher:
    """Takes the server's offers, asks workers in the policy's order, and keeps jobs and workers
    together until the job ends. The rules are read at every choice and once more when a worker
    says yes, so a flip or a cordon falls between two choices and never inside one.

    `lost` is called with the key and the room of an offer that came to nothing and that no worker
    had refused: the server may or may not have asked elsewhere.
    """

    def __init__(self, config: GatewayConfig, ring: Keyring, decisions: Decisions) -> None:
        self.config = config
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
        self.metrics = Metrics(tuple(config.agents), self.registry, self.rulebook)
        self.lost: list[Callable[[Key, str], None]] = []
        self.presence.left.append(self._worker_left)
        self._open: set[str] = set()
        self._offers: dict[asyncio.Task[None], tuple[Link, Key, str]] = {}
        self._closing = False
        self._turned_away = asyncio.Event()
        self._held = 0

    # -- what the server asks --------------------------------------------------------------

    def offer(
        self, upstream: Link, key: Key, request: proto.AvailabilityRequest
    ) -> asyncio.Task[None]:
        """Answer one availability request that came to `key`; the task does not fail."""
        task = asyncio.create_task(self._offer(upstream, key, request))
        self._offers[task] = (upstream, key, request.job.room.name)
        task.add_done_callback(self._offers.pop)
        return task

    async def _offer(self, upstream: Link, key: Key, request: proto.AvailabilityRequest) -> None:
        try:
            await self._answer(upstream, key, request)
        except ConnectionError:
            log.warning("server left during an offer", extra={"job": request.job.id})
            self._lose(key, request.job.room.name)

    async def _answer(self, upstream: Link, key: Key, request: proto.AvailabilityRequest) -> None:
        began = time.monotonic()
        job_id, room = request.job.id, request.job.room.name
        # The key tells who may take it: a simulated job may say another type than its connection.
        ranked = self.registry.ranked[key.agent, key.kind]
        if self._closing:
            await self._hold()
            await upstream.send(_rejection(job_id))  # the server asks another at once
            return
        if job_id in self._open or job_id in self.registry.live:
            log.error("offered twice: the second is rejected", extra={"job": job_id})
            await upstream.send(_rejection(job_id))
            return
        asking = OfferRound(request, lambda: self._colours(key, room), ranked, self.registry)
        self._open.add(job_id)
        try:
            taken = await asking.first_yes(self.config.answer_seconds, self.config.offer_seconds)
        finally:
            self._open.remove(job_id)
        if taken is None:
            job, answer, colour, outcome = None, _rejection(job_id), "none", "rejected"
        else:
            worker, answer = taken
            identity = answer.availability.participant_identity
            job = Job(job_id, room, request.job.room.sid, key, worker, upstream, identity)
            colour, outcome = worker.colour, "assigned"
            agent_attributes.put(answer.availability, worker)
            self.registry.accept(job)
        try:
            await upstream.send(answer)  # first: nobody should wait for our bookkeeping
        except ConnectionError:
            if job is not None:
                self.registry.end(job, "lost")
            raise
        finally:
            facts = {"job": job_id, "room": room, "agent": key.agent}
            self._note(facts | {"outcome": outcome, "colour": colour}, time.monotonic() - began)
        if job is not None:
            asyncio.get_running_loop().call_later(ASSIGNMENT_SECONDS, self._expire, job)

    def _colours(self, key: Key, room: str) -> tuple[Colour, ...]:
        rules = self.rulebook.rules(key.agent)
        if key.only is not None:
            return policy.dark_colours(key.only, rules)
        return policy.colours_for(room, rules)

    def _note(self, facts: dict[str, str], seconds: float) -> None:
        self.metrics.offers.labels(facts["agent"], facts["outcome"], facts["colour"]).inc()
        self.metrics.offer_seconds.labels(facts["agent"]).observe(seconds)
        log.info("offer", extra=facts)
        self.events.publish("offer", ms=round(seconds * 1000, 2), **facts)

    def _expire(self, job: Job) -> None:
        if job.state == "offered":
            log.warning("no assignment followed the offer", extra={"job": job.id})
            self.registry.end(job, "lost")
            self._lose(job.key, job.room)

    def _worker_left(self, _worker: Worker, held: list[Job]) -> None:
        for job in held:
            if job.state == "lost":
                self._lose(job.key, job.room)

    def _lose(self, key: Key, room: str) -> None:
        for tell in self.lost:
            tell(key, room)

    async def wind_up(self, seconds: float) -> None:
        """Take no more offers, and wait for those that are open: answered, and assigned.

        What is offered from now on is held until `turn_away`.
        """
        self._closing = True
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
        for task, (link, key, room) in list(self._offers.items()):
            if link is upstream:
                task.cancel()
                self._lose(key, room)
        for job in self.registry.running():
            if job.upstream is upstream and job.state == "offered":
                self.registry.end(job, "lost")
                self._lose(job.key, job.room)

    async def assign(self, assignment: proto.JobAssignment) -> None:
        """Hand the server's assignment to the worker that accepted the offer."""
        job = self.registry.jobs.get(assignment.job.id)
        if job is None or job.state != "offered":
            state = None if job is None else job.state
            log.error(
                "assignment of a job nobody accepted",
                extra={"job": assignment.job.id, "state": state},
            )
            if job is not None and job.state == "lost":
                await self._tell_failed(job)
            return
        if not assignment.url:
            assignment.url = self.config.media_url
        assignment.token = tokens.remint(assignment.token, job.worker.permission, self.ring)
        try:
            await job.worker.link.send(proto.ServerMessage(assignment=assignment))
        except ConnectionError:
            self.registry.end(job, "lost")
            log.error("worker left between offer and assignment", extra={"job": job.id})
            self._lose(job.key, job.room)
            await self._tell_failed(job)
        else:
            if job.state == "offered":
                job.state = "running"

    async def _tell_failed(self, job: Job) -> None:
        # The server counts a job as running from the assignment on, whatever became of it.
        message = proto.WorkerMessage()
        message.update_job.job_id = job.id
        message.update_job.status = proto.JobStatus.JS_FAILED
        message.update_job.error = "worker left between offer and assignment"
        await self._tell(job, message)

    async def terminate(self, termination: proto.JobTermination) -> None:
        """Pass the server's termination on to the job's worker, and count the job as over.

        The server sends it when the agent has left the room, which is the only word of a job's end
        with 0.7.2: its worker never reports one (method: livekit-server pkg/rtc/room.go).
        """
        job = self.registry.jobs.get(termination.job_id)
        if job is None:
            return
        self.registry.end(job)
        if job.worker.id not in self.registry.workers:
            return
        try:
            await job.worker.link.send(proto.ServerMessage(termination=termination))
        except ConnectionError:
            log.warning("worker did not hear of a termination", extra={"job": job.id})

    # -- what workers say ------------------------------------------------------------------

    async def update_job(self, worker: Worker, message: proto.WorkerMessage) -> None:
        """A worker tells how its job goes; the server that assigned it hears it too."""
        update = message.update_job
        job = self.registry.jobs.get(update.job_id)
        if job is None:
            return  # from before a restart of the gateway: the server has forgotten it as well
        if job.worker is not worker and job.state != "detached":
            log.warning(
                "update of another worker's job", extra={"worker": worker.id, "job": job.id}
            )
            return
        if update.status in ENDED:
            self.registry.end(job)
        await self._tell(job, message)

    async def _tell(self, job: Job, message: proto.WorkerMessage) -> None:
        try:
            await job.upstream.send(message)
        except ConnectionError:
            log.warning("server did not hear of a job", extra={"job": job.id})

    def load(self, key: Key) -> tuple[float, bool]:
        """Load (0 to 1) and fullness of the gateway as one worker of that key."""
        rules = self.rulebook.rules(key.agent)
        only = key.only
        colours = policy.public_colours(rules) if only is None else policy.dark_colours(only, rules)
        ranked = self.registry.ranked[key.agent, key.kind]
        if self._closing:
            return policy.HIGHEST_LOAD, False  # others are asked first, and we before nobody
        load = policy.capacity(colours, ranked)
        return (1.0, True) if load is None else (load, False)


def _rejection(job_id: str) -> proto.WorkerMessage:
    message = proto.WorkerMessage()
    message.availability.job_id = job_id
    message.availability.available = False
    return message
