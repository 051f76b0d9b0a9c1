"""Jobs from the server's assignment to their end: what server and workers say of them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable

from livekit.protocol import agent as proto

from releve.gateway.auth import tokens
from releve.gateway.auth.api_keys import Keyring
from releve.gateway.config import GatewayConfig
from releve.gateway.dispatch.job import Dispatch, Job
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Worker

log = logging.getLogger(__name__)

ERROR_CHARACTERS = 200
ENDED = (proto.JobStatus.JS_SUCCESS, proto.JobStatus.JS_FAILED)
REPORTED = 1000
"""So many jobs of which nothing is known a worker may report as its own."""


class Jobs:
    """Keeps the registry's jobs true. Whoever wants to hear of it is on one of the lists.

    `inherited`: a gateway before this one assigned the job. `lost`: a dispatch came to nothing and
    no worker had refused it; the server may or may not have asked elsewhere. `refused`: a worker
    said for all that nobody is to come. `missing`: a room has no agent any more, those of these job
    ids and identities count as dead. `back`: a job whose worker's connection was gone is held by
    a worker again. `done`: its worker says that it ended well. `failed`: it says that it did not,
    and lives. `terminated`: the server ends it, or
    its agent has left the room.
    """

    def __init__(self, config: GatewayConfig, ring: Keyring, registry: Registry) -> None:
        self.inherited: list[Callable[[Job], None]] = []
        self.lost: list[Callable[[Dispatch], None]] = []
        self.refused: list[Callable[[Dispatch], None]] = []
        self.missing: list[Callable[[Dispatch, set[str]], None]] = []
        self.back: list[Callable[[Job], None]] = []
        self.done: list[Callable[[Job], None]] = []
        self.failed: list[Callable[[Job], None]] = []
        self.terminated: list[Callable[[Job], None]] = []
        self._config = config
        self._ring = ring
        self._registry = registry
        self._reported: dict[str, Worker] = {}

    def lose(self, job: Job) -> None:
        """The job was never assigned."""
        self._registry.end(job, "lost")
        self.tell_lost(job.dispatch)

    def tell_lost(self, dispatch: Dispatch) -> None:
        """The dispatch came to nothing."""
        for tell in self.lost:
            tell(dispatch)

    def tell_refused(self, dispatch: Dispatch) -> None:
        """A worker refused it for all."""
        for tell in self.refused:
            tell(dispatch)

    def tell_missing(self, dispatch: Dispatch, behind: set[str]) -> None:
        """Its room has no agent, although nobody said that the call is over."""
        for tell in self.missing:
            tell(dispatch, behind)

    async def assign(self, assignment: proto.JobAssignment) -> None:
        """Hand the server's assignment to the worker that accepted the offer."""
        job = self._registry.jobs.get(assignment.job.id)
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
            assignment.url = self._config.media_url
        assignment.token = tokens.remint(
            assignment.token,
            job.worker.permission,
            job.worker.register.agent_name,
            self._ring,
        )
        try:
            await job.worker.link.send(proto.ServerMessage(assignment=assignment))
        except ConnectionError:
            log.error("worker left between offer and assignment", extra={"job": job.id})
            self.lose(job)
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
        await self._tell_server(job, message)

    async def terminate(self, termination: proto.JobTermination) -> None:
        """Pass the server's termination on to the job's worker, and count the job as over.

        The server sends it when the agent has left the room, which is the only word of a job's end
        with 0.7.2: its worker never reports one (method: livekit-server pkg/rtc/room.go).
        """
        job = self._registry.jobs.get(termination.job_id)
        if job is None:
            return
        if job.state == "detached":
            for tell in self.terminated:
                tell(job)
        self._registry.end(job)
        if job.worker.id not in self._registry.workers:
            return
        try:
            await job.worker.link.send(proto.ServerMessage(termination=termination))
        except ConnectionError:
            log.warning("worker did not hear of a termination", extra={"job": job.id})

    async def update(self, worker: Worker, message: proto.WorkerMessage) -> None:
        """A worker tells how its job goes; the server that assigned it hears it too."""
        update = message.update_job
        job = self._registry.jobs.get(update.job_id)
        if job is None:
            return  # from before a restart of the gateway: the server has forgotten it as well
        stranger = job.worker is not worker and job.state != "detached"
        if stranger or job.key.agent != worker.agent:
            log.warning(
                "update of another worker's job", extra={"worker": worker.id, "job": job.id}
            )
            return
        if update.status in ENDED and not job.said:
            job.said = _said(update)
            well = update.status == proto.JobStatus.JS_SUCCESS
            self._registry.end(job)
            for tell in self.done if well else self.failed:
                tell(job)
        await self._tell_server(job, message)

    async def _tell_server(self, job: Job, message: proto.WorkerMessage) -> None:
        try:
            await job.upstream.send(message)
        except ConnectionError:
            log.warning("server did not hear of a job", extra={"job": job.id})

    # -- workers that come back --------------------------------------------------------------

    def report(self, worker: Worker, job_ids: Iterable[str]) -> None:
        """A worker that has connected tells which jobs it holds (livekit-agents from 1.4 on).

        Its old connection may not be known to be gone, and after a take-over the jobs are not
        known either: what it said is kept until then.
        """
        self._forget_reports(worker)
        for job_id in itertools.islice(job_ids, REPORTED):
            job = self._registry.jobs.get(job_id)
            if job is not None and job.worker is worker:
                continue
            self._reported[job_id] = worker
            if job is not None:
                self.reattach(job)

    def _forget_reports(self, worker: Worker) -> None:
        self._reported = {key: by for key, by in self._reported.items() if by is not worker}

    def inherit(self, job: Job) -> None:
        """A gateway before this one assigned it; whoever reported it has it, or nobody."""
        if job.id not in self._registry.jobs:
            self._registry.inherit(job)
            self.reattach(job)
            if job.state == "detached":
                for tell in self.inherited:
                    tell(job)

    def reattach(self, job: Job) -> None:
        """Give a job whose worker is gone to the worker that reported it, if any has."""
        if job.state != "detached" or (worker := self._reported.get(job.id)) is None:
            return
        if (worker.agent, worker.colour) != (job.worker.agent, job.worker.colour):
            log.warning(
                "job of another colour reported", extra={"worker": worker.id, "job": job.id}
            )
            return
        del self._reported[job.id]
        self._registry.reattach(job, worker)
        for tell in self.back:
            tell(job)

    def left(self, worker: Worker, held: list[Job]) -> None:
        """A worker's connection is gone."""
        self._forget_reports(worker)
        for job in held:
            if job.state == "lost":
                self.tell_lost(job.dispatch)
            else:
                self.reattach(job)


def _said(update: proto.UpdateJobStatus) -> str:
    """The end of a job in its worker's words, which may be anything and any length."""
    if update.status == proto.JobStatus.JS_SUCCESS:
        return "success"
    error = " ".join(update.error.split())[:ERROR_CHARACTERS]
    return f"failed: {error}" if error else "failed"
