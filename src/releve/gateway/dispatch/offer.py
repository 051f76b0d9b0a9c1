"""One offer's round of questions: one worker after the other, and the first yes that counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from livekit.protocol import agent as proto

from releve.gateway import policy
from releve.gateway.background import Background
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import Colour, Ranked

log = logging.getLogger(__name__)

SILENT_SECONDS = 30.0
"""A worker that left a question unanswered is asked last for this long, or until it answers."""

ANSWERS_KEPT = 8
"""Answers kept of one offer, the first ones: thousands of workers may be asked."""

Heard = tuple[Worker, proto.WorkerMessage | None]


class OfferRound:
    """Asks the workers that the policy names until one accepts or nobody is left.

    Each worker has a deadline of its own. Whoever lets it pass is joined by the next one, then by
    two, by four: so all of thousands are asked before the offer ends, and as long as workers
    answer only one is asked at a time. A late yes still counts while nobody else has said yes: the
    offer ends when everybody has answered, or with its own deadline.
    Whoever says yes must still be allowed to take the room at that moment: `colours` tells which
    may have it now, first choice first. A worker may also end the offer for all (`terminate`).
    """

    def __init__(
        self,
        request: proto.AvailabilityRequest,
        colours: Callable[[], tuple[Colour, ...]],
        ranked: Ranked,
        registry: Registry,
        background: Background,
    ) -> None:
        self.job_id: str = request.job.id
        self._request = request
        self._colours = colours
        self._ranked = ranked
        self._registry = registry
        self._background = background
        self._asked: dict[str, Worker] = {}
        self._last: list[Worker] = []  # those asked last
        self.answers: list[dict[str, object]] = []  # of whoever did not take it
        self._taker: Worker | None = None
        self._heard: asyncio.Queue[Heard] = asyncio.Queue()

    def hear(self, worker: Worker, message: proto.WorkerMessage | None) -> None:
        """A worker has answered, or has left (None)."""
        self._heard.put_nowait((worker, message))

    async def first_yes(
        self, answer_seconds: float, offer_seconds: float
    ) -> tuple[Worker, proto.WorkerMessage] | None:
        """Who takes the job, or ends the offer, and the answer; None when nobody does."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + offer_seconds
        patience = clock()  # until then nobody else is asked
        batch = 1
        try:
            while (now := clock()) < deadline:
                if now >= patience:
                    if not self._ask_some(batch) and not self._pending():
                        return None
                    stages = (policy.left_to_ask(*self._view(), self._asked) // batch).bit_length()
                    patience = now + min(answer_seconds, (deadline - now) / (stages + 1))
                if (taker := await self._listen(min(patience, deadline))) is not None:
                    self._taker = taker[0]
                    return taker
                if clock() >= patience:
                    self._note_silence()
                    batch *= 2
                elif not any(self.job_id in worker.asked for worker in self._last):
                    patience = clock()
            return None
        finally:
            for worker in self._asked.values():
                if worker.asked.pop(self.job_id, None) is not None:
                    self._registry.rerank(worker)
                    if worker is not self._taker:
                        self._keep(worker, "no answer")

    @property
    def asked(self) -> int:
        """How many workers were asked."""
        return len(self._asked)

    def _view(self) -> tuple[tuple[Colour, ...], Ranked]:
        """Who may be asked under the rules of this moment."""
        return self._colours(), self._ranked

    def _pending(self) -> list[Worker]:
        return [worker for worker in self._asked.values() if self.job_id in worker.asked]

    def _ask_some(self, count: int) -> bool:
        """Ask that many more; returns whether anybody was."""
        self._last = []
        while len(self._last) < count:
            chosen = policy.choose(*self._view(), self._asked)
            if chosen is None:
                break
            worker = self._registry.workers[chosen]
            self._asked[chosen] = worker
            worker.asked[self.job_id] = self
            self._registry.rerank(worker)
            # Nobody waits for it: a worker that does not read is a silent one.
            self._background.once("question", self._send(worker))
            self._last.append(worker)
        return bool(self._last)

    async def _send(self, worker: Worker) -> None:
        try:
            await worker.link.send(proto.ServerMessage(availability=self._request))
        except ConnectionError:
            self.hear(worker, None)

    async def _listen(self, until: float) -> tuple[Worker, proto.WorkerMessage] | None:
        """The next yes that counts, or None after any other news or at the time given."""
        try:
            async with asyncio.timeout_at(until):
                heard = await self._heard.get()
        except TimeoutError:
            return None
        worker, message = heard
        if message is None:
            self._pass_over(worker, "left")
        elif message.availability.terminate:
            return worker, message
        elif not message.availability.available:
            self._pass_over(worker, "rejected")
        elif self._may_take(worker):
            return worker, message
        else:
            self._pass_over(worker, "no longer allowed")
        return None

    def _may_take(self, worker: Worker) -> bool:
        """A worker can accept and be gone, or cordoned, before we wake up."""
        return (
            self._registry.workers.get(worker.id) is worker
            and not worker.cordoned
            and worker.colour in self._colours()
        )

    def _pass_over(self, worker: Worker, why: str) -> None:
        log.warning(
            "worker passed over", extra={"worker": worker.id, "job": self.job_id, "why": why}
        )
        self._keep(worker, why)
        worker.asked.pop(self.job_id, None)
        self._registry.rerank(worker)

    def _keep(self, worker: Worker, answer: str) -> None:
        if len(self.answers) < ANSWERS_KEPT:
            self.answers.append({"worker": worker.id, "colour": worker.colour, "answer": answer})

    def _note_silence(self) -> None:
        for worker in self._pending():
            if not worker.silent:
                log.warning("worker stays silent", extra={"worker": worker.id, "job": self.job_id})
                worker.silent = True
                self._registry.rerank(worker)
                worker.silences += 1
                loop = asyncio.get_running_loop()
                loop.call_later(SILENT_SECONDS, self._forgive, worker, worker.silences)

    def _forgive(self, worker: Worker, silence: int) -> None:
        if silence != worker.silences:
            return  # it has answered, and stayed silent again since
        worker.silent = False
        self._registry.rerank(worker)
