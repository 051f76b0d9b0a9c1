"""What a worker asks of the server by itself, passed on over a connection that stands for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from livekit.protocol import agent as proto

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.worker import Link, Worker
from releve.gateway.server.connection import ServerConnection

log = logging.getLogger(__name__)


class WorkerRequests:
    """Never raises: the worker stays connected when the server does not hear it."""

    def __init__(self, upstreams: Sequence[ServerConnection], dispatcher: Dispatcher) -> None:
        self._dark = {
            (item.key.agent, item.key.only, item.key.kind): item
            for item in upstreams
            if item.key.only is not None and not item.key.by_deployment
        }
        self._dispatcher = dispatcher

    async def simulate(self, worker: Worker, message: proto.WorkerMessage) -> None:
        """Ask for a simulated job. The server sends it to whoever asks: by the dark key of the
        worker's colour it comes back to that colour."""
        key = (worker.agent, worker.colour, worker.register.type)
        await self._pass(worker, message, [self._dark[key]])

    async def migrate(self, worker: Worker, message: proto.WorkerMessage) -> None:
        """A worker lists the jobs that it holds, as livekit-agents does from 1.4 on after every
        registration; the server connections hear it by which they were assigned.

        Others' jobs are not told.
        """
        self._dispatcher.jobs.report(worker, message.migrate_job.job_ids)
        own = [item for item in message.migrate_job.job_ids if item in worker.jobs]
        del message.migrate_job.job_ids[:]
        message.migrate_job.job_ids.extend(own)
        held = [self._dispatcher.registry.jobs[job_id] for job_id in worker.jobs]
        links = {id(job.upstream): job.upstream for job in held}
        await self._pass(worker, message, list(links.values()))

    async def _pass(
        self, worker: Worker, message: proto.WorkerMessage, links: Sequence[Link]
    ) -> None:
        kind = message.WhichOneof("message")
        for link in links:
            try:
                await link.send(message)
            except ConnectionError:
                log.warning("server did not hear", extra={"worker": worker.id, "kind": kind})
