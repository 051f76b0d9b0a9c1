"""All workers connected to the gateway and the jobs it has handed out."""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Literal

from sortedcontainers import SortedList

from releve.gateway import policy
from releve.gateway.dispatch.job import Job
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import COLOURS, Colour, Rank
from releve.gateway.registration_key import JOB_TYPES

log = logging.getLogger(__name__)

KEEP_ENDED_JOBS = 2000
"""Ended jobs remembered for GET /jobs; enough for the story of a run, bounded for good."""


class Registry:
    """All workers and jobs; plain bookkeeping, no I/O.

    `ranked` is kept, per agent and job type, in the policy's order, so that choosing costs the
    same with 10 workers and with 5,000: call `rerank` after every change of a worker. `types`
    counts workers per agent and job type, `calls` has per agent the rooms with jobs that are not
    over, detached ones included, and their ids. `over` is called with every job that has ended.
    """

    def __init__(self, agents: Iterable[str]) -> None:
        self.workers: dict[str, Worker] = {}
        self.jobs: dict[str, Job] = {}
        self.live: dict[str, Job] = {}
        self.ranked: dict[tuple[str, int], dict[Colour, SortedList[Rank]]] = {
            (agent, kind): {colour: SortedList() for colour in COLOURS}
            for agent in agents
            for kind in JOB_TYPES
        }
        self.calls: dict[str, dict[str, set[str]]] = {agent: {} for agent in agents}
        self.types: Counter[tuple[str, int]] = Counter()
        self.over: list[Callable[[Job], None]] = []
        self._over: deque[Job] = deque()

    def next_id(self, colour: Colour) -> str:
        """A worker id that tells its colour in the agent's own log, and never comes again."""
        return f"RW_{colour}_{secrets.token_hex(4)}"

    def rerank(self, worker: Worker) -> None:
        """Put the worker where it belongs now."""
        place = policy.rank(worker.candidate()) if worker.id in self.workers else None
        if place != worker.place:
            ranked = self.ranked[worker.agent, worker.register.type][worker.colour]
            if worker.place is not None:
                ranked.remove(worker.place)
            if place is not None:
                ranked.add(place)
            worker.place = place

    def add(self, worker: Worker) -> None:
        """A worker has registered."""
        self.workers[worker.id] = worker
        self.types[worker.agent, worker.register.type] += 1
        self.rerank(worker)
        log.info("worker registered", extra={"worker": worker.describe()})

    def remove(self, worker: Worker) -> list[Job]:
        """A worker's connection has ended; its running jobs may live on in their own processes.

        Returns those, now detached, and what it accepted and was not yet assigned, now lost.
        """
        del self.workers[worker.id]
        self.types[worker.agent, worker.register.type] -= 1
        self.rerank(worker)
        worker.gone()
        log.info("worker left", extra={"worker": worker.id, "jobs": sorted(worker.jobs)})
        held = [self.jobs[job_id] for job_id in sorted(worker.jobs)]
        for job in held:
            self.end(job, "lost" if job.state == "offered" else "detached")
        return held

    def serving(self, agent: str) -> frozenset[Colour]:
        """The colours of an agent that have a connected worker which is not cordoned."""
        workers = self.workers.values()
        return frozenset(w.colour for w in workers if w.agent == agent and not w.cordoned)

    def accept(self, job: Job) -> None:
        """A worker has accepted an offer."""
        self.jobs[job.id] = self.live[job.id] = job
        self._holds(job)
        job.worker.jobs.add(job.id)
        job.worker.fresh += 1
        self.rerank(job.worker)

    def end(self, job: Job, state: Literal["ended", "detached", "lost"] = "ended") -> None:
        """A job is over (ended), was never assigned (lost), or the worker's connection is gone
        while the call may live on in a process of its own (detached)."""
        if job.ended is not None:
            if job.state == "detached" and state == "ended":
                job.state, job.ended = state, time.monotonic()
                self._lets_go(job)
                self._tell_over(job)
            return
        job.state, job.ended = state, time.monotonic()
        self.live.pop(job.id, None)
        if state != "detached":
            self._lets_go(job)
        job.worker.jobs.discard(job.id)
        job.worker.fresh = max(0, job.worker.fresh - 1)
        self.rerank(job.worker)
        log.info("job over", extra={"job": job.id, "room": job.room, "state": state})
        self._over.append(job)
        while len(self._over) > KEEP_ENDED_JOBS:
            oldest = self._over.popleft()
            if oldest.ended is not None and self.jobs.get(oldest.id) is oldest:
                del self.jobs[oldest.id]
                self._lets_go(oldest)
        self._tell_over(job)

    def _tell_over(self, job: Job) -> None:
        for tell in self.over:
            tell(job)

    def inherit(self, job: Job) -> None:
        """A job that a gateway before this one assigned, and whose worker is not here."""
        self.jobs[job.id] = job
        self._holds(job)
        self._over.append(job)

    def _holds(self, job: Job) -> None:
        self.calls[job.key.agent].setdefault(job.room, set()).add(job.id)

    def _lets_go(self, job: Job) -> None:
        rooms = self.calls[job.key.agent]
        jobs = rooms.get(job.room, set())
        jobs.discard(job.id)
        if not jobs:
            rooms.pop(job.room, None)

    def reattach(self, job: Job, worker: Worker) -> None:
        """A worker that has come back holds the detached job."""
        job.state, job.ended, job.worker = "running", None, worker
        self.live[job.id] = job
        worker.jobs.add(job.id)
        self.rerank(worker)
        log.info("job is back", extra={"job": job.id, "room": job.room, "worker": worker.id})

    def running(self) -> list[Job]:
        """Jobs that are not over."""
        return list(self.live.values())
