"""The workers connected to the gateway and the jobs it has handed out."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.policy import Candidate, Colour

log = logging.getLogger(__name__)

KEEP_ENDED_JOBS = 2000
"""Ended jobs remembered for GET /jobs; enough for the story of a run, bounded for good."""


class Link(Protocol):
    """The sending half of a connection."""

    async def send(self, message: Any) -> None:
        """Send one protobuf message; raises ConnectionError when the peer is gone."""


@dataclass(eq=False)
class Worker:
    """One agent worker; exists as long as its connection does."""

    id: str
    colour: Colour
    link: Link
    register: proto.RegisterWorkerRequest
    peer: str
    load: float = 0.0
    full: bool = False
    jobs: set[str] = field(default_factory=set)
    registered: float = field(default_factory=time.monotonic)
    answers: dict[str, asyncio.Future[proto.WorkerMessage]] = field(default_factory=dict)

    @property
    def permission(self) -> models.ParticipantPermission:
        """What the worker's agents may do; the server's own default when it did not say."""
        if self.register.HasField("allowed_permissions"):
            return self.register.allowed_permissions
        return models.ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, can_update_metadata=True
        )

    def candidate(self) -> Candidate:
        """This worker as the policy sees it, now."""
        return Candidate(self.id, self.colour, self.load, len(self.jobs), self.full)

    def describe(self) -> dict[str, object]:
        """The form of GET /state."""
        return {
            "id": self.id,
            "colour": self.colour,
            "peer": self.peer,
            "version": self.register.version,
            "agent_name": self.register.agent_name,
            "namespace": self.register.namespace,
            "load": round(self.load, 3),
            "full": self.full,
            "jobs": len(self.jobs),
            "registered": self.registered,
        }

    def gone(self) -> None:
        """Tell everybody who waits for an answer that none will come."""
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("worker left"))
        self.answers.clear()


@dataclass(eq=False)
class Job:
    """One assignment from acceptance to its end; times in monotonic seconds."""

    id: str
    room: str
    worker: Worker
    upstream: Link
    state: Literal["offered", "running", "ended", "detached", "lost"] = "offered"
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def describe(self) -> dict[str, object]:
        """The form of GET /jobs."""
        return {
            "job": self.id,
            "room": self.room,
            "colour": self.worker.colour,
            "worker": self.worker.id,
            "state": self.state,
            "started": self.started,
            "ended": self.ended,
        }


class Roster:
    """All workers and jobs; plain bookkeeping, no I/O."""

    def __init__(self) -> None:
        self.workers: dict[str, Worker] = {}
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self._numbers = itertools.count(1)

    def next_id(self, colour: Colour) -> str:
        """A worker id that tells its colour in the agent's own log."""
        return f"RW_{colour}_{next(self._numbers)}"

    def candidates(self) -> list[Candidate]:
        """Every worker as the policy sees it."""
        return [worker.candidate() for worker in self.workers.values()]

    def add(self, worker: Worker) -> None:
        """A worker has registered."""
        self.workers[worker.id] = worker
        log.info("worker registered", extra={"worker": worker.describe()})

    def remove(self, worker: Worker) -> None:
        """A worker's connection has ended; its jobs may live on in their own processes."""
        self.workers.pop(worker.id, None)
        worker.gone()
        log.info("worker left", extra={"worker": worker.id, "jobs": sorted(worker.jobs)})
        for job_id in sorted(worker.jobs):
            self.end(self.jobs[job_id], "detached")

    def accept(self, job: Job) -> None:
        """A worker has accepted an offer."""
        self.jobs[job.id] = job
        job.worker.jobs.add(job.id)
        self._forget_old()

    def end(self, job: Job, state: Literal["ended", "detached", "lost"] = "ended") -> None:
        """A job is over (ended), its worker left before the assignment (lost), or the worker's
        connection is gone while the call may live on in a process of its own (detached)."""
        if job.ended is None:
            job.state, job.ended = state, time.monotonic()
            job.worker.jobs.discard(job.id)
            log.info("job over", extra={"job": job.id, "room": job.room, "state": state})

    def running(self) -> list[Job]:
        """Jobs that are not over."""
        return [job for job in self.jobs.values() if job.ended is None]

    def _forget_old(self) -> None:
        excess = len(self.jobs) - KEEP_ENDED_JOBS
        if excess > 0:
            over = [job.id for job in self.jobs.values() if job.ended is not None]
            for job_id in over[:excess]:
                del self.jobs[job_id]
