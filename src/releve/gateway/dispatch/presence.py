"""Workers come, change and go; whoever waits for a worker hears of it."""

from __future__ import annotations

from collections.abc import Callable

from livekit.protocol import agent as proto

from releve.gateway.decisions.in_force import Rulebook
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Job, Worker
from releve.gateway.events import Events


class Presence:
    """Keeps the registry true to what workers and the operator say.

    `left` is called with a worker whose connection is gone and its jobs: detached ones may live on.
    """

    def __init__(self, registry: Registry, rulebook: Rulebook, events: Events) -> None:
        self.left: list[Callable[[Worker, list[Job]], None]] = []
        self._registry = registry
        self._rulebook = rulebook
        self._events = events
        self._peers = rulebook.decisions.cordoned_peers
        rulebook.changed.append(self._rules_changed)

    def join(self, worker: Worker) -> None:
        """A worker has registered."""
        worker.cordoned = worker.peer in self._rulebook.decisions.cordoned_peers
        self._registry.add(worker)
        self._tell(worker, here=True)

    def leave(self, worker: Worker) -> None:
        """A worker's connection is gone."""
        held = self._registry.remove(worker)
        self._tell(worker, here=False)
        for tell in self.left:
            tell(worker, held)

    def report(self, worker: Worker, load: float, full: bool) -> bool:
        """A worker tells its load (0 to 1); returns whether it became full or free."""
        turned = worker.full != full
        worker.load, worker.full, worker.fresh = load, full, 0
        self._registry.rerank(worker)
        return turned

    def heard(self, worker: Worker, message: proto.WorkerMessage) -> None:
        """A worker answers an offer, in time or late; either way it is not silent any more."""
        worker.silent = False
        worker.answer(message)
        self._registry.rerank(worker)

    def cordon(self, worker: Worker, cordoned: bool) -> bool:
        """Let one worker take new calls or not, for as long as it stays connected."""
        if worker.cordoned == cordoned:
            return False
        worker.cordoned = cordoned
        self._registry.rerank(worker)
        self._events.publish("cordon", agent=worker.agent, worker=worker.id, cordoned=cordoned)
        return True

    def _rules_changed(self) -> None:
        before, now = self._peers, self._rulebook.decisions.cordoned_peers
        self._peers = now
        for worker in self._registry.workers.values():
            if worker.peer in before ^ now:
                worker.cordoned = worker.peer in now
                self._registry.rerank(worker)

    def _tell(self, worker: Worker, here: bool) -> None:
        facts = {"agent": worker.agent, "worker": worker.id, "colour": worker.colour}
        self._events.publish("worker", **facts, here=here)
