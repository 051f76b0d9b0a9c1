"""The heart: every offer of the server ends in one assignment or one honest rejection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from livekit.protocol import agent as proto

from releve.gateway import policy, state, tokens
from releve.gateway.config import GatewayConfig
from releve.gateway.metrics import Metrics
from releve.gateway.policy import Colour, Rules, Weights
from releve.gateway.workers import Job, Link, Roster, Worker
from releve.keys import Keys

log = logging.getLogger(__name__)

ENDED = (proto.JobStatus.JS_SUCCESS, proto.JobStatus.JS_FAILED)
ASSIGNMENT_SECONDS = 10.0
"""After this an accepted offer is forgotten: the server lost it (both SDKs wait 7.5 s)."""


class Dispatcher:
    """Takes the server's offers, asks workers in the policy's order, and keeps jobs and workers
    together until the job ends. The rules are read once per choice, so a flip falls between two
    choices and never inside one."""

    def __init__(self, config: GatewayConfig, keys: Keys, rules: Rules) -> None:
        self.config = config
        self.keys = keys
        self.rules = rules
        self.flips = 0
        self.roster = Roster()
        self.metrics = Metrics(self.roster, lambda: self.rules)
        self._state_file: Path = config.state_file

    # -- what the operator decides ---------------------------------------------------------

    def set_weights(self, weights: Weights) -> bool:
        """Flip; returns whether anything changed. Raises OSError when it cannot be remembered,
        and then nothing has changed."""
        if weights == self.rules.weights:
            return False
        self._decide(replace(self.rules, weights=weights))
        self.flips += 1
        self.metrics.flips.inc()
        return True

    def set_cordon(self, colour: Colour, cordoned: bool) -> bool:
        """Let a colour take new calls or not; returns whether anything changed."""
        wanted = self.rules.cordoned | {colour} if cordoned else self.rules.cordoned - {colour}
        if wanted == self.rules.cordoned:
            return False
        self._decide(replace(self.rules, cordoned=frozenset(wanted)))
        return True

    def _decide(self, rules: Rules) -> None:
        # Remembered first: a gateway that dies between the two comes back as it was told to be.
        state.save(self._state_file, rules)
        self.rules = rules
        log.info("rules", extra={"weights": rules.weights.as_dict(), "cordon": [*rules.cordoned]})

    # -- what the server asks --------------------------------------------------------------

    async def offer(
        self,
        upstream: Link,
        request: proto.AvailabilityRequest,
        colours: Callable[[str], tuple[Colour, ...]],
    ) -> None:
        """Answer one availability request; `colours` gives the order of choice for its room."""
        began = time.monotonic()
        room = request.job.room.name
        answer, worker = await self._ask_around(request, colours)
        job = Job(request.job.id, room, worker, upstream) if worker is not None else None
        if job is not None:
            self.roster.accept(job)
        colour = worker.colour if worker else "none"
        outcome = "assigned" if worker else "rejected"
        self.metrics.offers.labels(outcome, colour).inc()
        self.metrics.offer_seconds.observe(time.monotonic() - began)
        log.info(
            "offer",
            extra={"job": request.job.id, "room": room, "outcome": outcome, "colour": colour},
        )
        try:
            await upstream.send(answer)
        except ConnectionError:
            if job is not None:
                self.roster.end(job, "lost")
            raise
        if job is not None:
            asyncio.get_running_loop().call_later(ASSIGNMENT_SECONDS, self._expire, job)

    def _expire(self, job: Job) -> None:
        if job.state == "offered":
            log.warning("no assignment followed the offer", extra={"job": job.id})
            self.roster.end(job, "lost")

    async def _ask_around(
        self, request: proto.AvailabilityRequest, colours: Callable[[str], tuple[Colour, ...]]
    ) -> tuple[proto.WorkerMessage, Worker | None]:
        tried: set[str] = set()
        deadline = time.monotonic() + self.config.offer_seconds
        while (left := deadline - time.monotonic()) > 0:
            order = colours(request.job.room.name)
            chosen = policy.choose(order, self.roster.candidates(), tried)
            if chosen is None:
                break
            tried.add(chosen)
            worker = self.roster.workers[chosen]
            answer = await self._ask(worker, request, min(left, self.config.answer_seconds))
            # A worker can accept and be gone before we wake up: the next one is asked instead.
            present = self.roster.workers.get(chosen) is worker
            if answer is not None and answer.availability.available and present:
                return answer, worker
        rejection = proto.WorkerMessage()
        rejection.availability.job_id = request.job.id
        rejection.availability.available = False
        return rejection, None

    async def _ask(
        self, worker: Worker, request: proto.AvailabilityRequest, seconds: float
    ) -> proto.WorkerMessage | None:
        """One worker's answer, or None when it stays silent or leaves."""
        job_id = request.job.id
        answer: asyncio.Future[proto.WorkerMessage] = asyncio.get_running_loop().create_future()
        worker.answers[job_id] = answer
        try:
            await worker.link.send(proto.ServerMessage(availability=request))
            return await asyncio.wait_for(answer, seconds)
        except (TimeoutError, ConnectionError) as error:
            log.warning(
                "worker passed over",
                extra={"worker": worker.id, "job": job_id, "why": type(error).__name__},
            )
            return None
        finally:
            worker.answers.pop(job_id, None)

    async def assign(self, assignment: proto.JobAssignment) -> None:
        """Hand the server's assignment to the worker that accepted the offer."""
        job = self.roster.jobs.get(assignment.job.id)
        if job is None:
            log.error("assignment of a job nobody accepted", extra={"job": assignment.job.id})
            return
        if not assignment.url:
            assignment.url = self.config.media_url
        assignment.token = tokens.remint(assignment.token, job.worker.permission, self.keys)
        try:
            await job.worker.link.send(proto.ServerMessage(assignment=assignment))
        except ConnectionError:
            self.roster.end(job, "lost")
            log.error("worker left between offer and assignment", extra={"job": job.id})
            await self._tell_failed(job)
        else:
            job.state = "running" if job.ended is None else job.state

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
        job = self.roster.jobs.get(termination.job_id)
        if job is None:
            return
        self.roster.end(job)
        if job.worker.id not in self.roster.workers:
            return
        try:
            await job.worker.link.send(proto.ServerMessage(termination=termination))
        except ConnectionError:
            log.warning("worker did not hear of a termination", extra={"job": job.id})

    # -- what workers say ------------------------------------------------------------------

    async def update_job(self, message: proto.WorkerMessage) -> None:
        """A worker tells how its job goes; the server that assigned it hears it too."""
        update = message.update_job
        job = self.roster.jobs.get(update.job_id)
        if job is None:
            return  # from before a restart of the gateway: the server has forgotten it as well
        if update.status in ENDED:
            self.roster.end(job)
        await self._tell(job, message)

    async def _tell(self, job: Job, message: proto.WorkerMessage) -> None:
        try:
            await job.upstream.send(message)
        except ConnectionError:
            log.warning("server did not hear of a job", extra={"job": job.id})

    def public_load(self) -> tuple[float, bool]:
        """Load (0 to 1) and fullness of the gateway as one worker of the public key."""
        return self._load_of(policy.public_colours(self.rules))

    def dark_load(self, colour: Colour) -> tuple[float, bool]:
        """The same for the dark key of one colour."""
        return self._load_of((colour,))

    def _load_of(self, colours: tuple[Colour, ...]) -> tuple[float, bool]:
        load = policy.capacity(colours, self.roster.candidates())
        return (1.0, True) if load is None else (load, False)
