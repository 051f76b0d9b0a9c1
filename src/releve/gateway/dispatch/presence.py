"""Workers come, change and go; whoever waits for a worker hears of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from livekit.protocol import agent as proto

from releve.gateway.decisions.in_force import Rulebook
from releve.gateway.dispatch.job import Job
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Worker
from releve.gateway.events import Events

RETURN_SECONDS = 90.0
"""Both SDKs try for more than a minute to connect again."""
AWAY_SECONDS, AWAY_REMEMBERED = 3600.0, 1000
"""For drains that are waited for."""


class Presence:
    """Keeps the registry true to what workers and the operator say.

    `joined` is called with a worker that has registered, `left` with one whose connection is gone
    and its jobs: detached ones may live on.
    """

    def __init__(self, registry: Registry, rulebook: Rulebook, events: Events) -> None:
        self.joined: list[Callable[[Worker], None]] = []
        self.left: list[Callable[[Worker, list[Job]], None]] = []
        self._registry = registry
        self._by_id: set[str] = set()  # workers that the operator cordoned by their ids
        self._away: dict[str, tuple[Worker, float]] = {}  # those not connected, and until when
        self._rulebook = rulebook
        self._events = events
        self._peers = rulebook.decisions.cordoned_peers
        rulebook.changed.append(self._rules_changed)

    @property
    def away(self) -> list[Worker]:
        """Workers that were cordoned by their ids and are not connected."""
        return [worker for worker, _ in self._away.values()]

    def id_for(self, worker: Worker) -> str:
        """A new id, or the one that it had if it is a cordoned worker that comes back.

        No protocol says so: it is taken for one that has the same address, colour, agent and
        version as a cordoned worker whose connection broke less than a minute and a half ago.
        """
        now = time.monotonic()
        for old, until in self._away.values():
            if until > now and _traits(old) == _traits(worker):
                del self._away[old.id]
                return old.id
        return self._registry.next_id(worker.colour)

    def join(self, worker: Worker) -> None:
        """A worker has registered."""
        peers = self._rulebook.decisions.cordoned_peers
        worker.cordoned = worker.peer in peers or worker.id in self._by_id
        self._registry.add(worker)
        self._tell(worker, here=True)
        for tell in self.joined:
            tell(worker)

    def leave(self, worker: Worker, closed: bool = False) -> None:
        """A worker's connection is gone; `closed` when the worker ended it by itself."""
        self.not_back(worker, 0.0 if closed else RETURN_SECONDS)
        held = self._registry.remove(worker)
        self._tell(worker, here=False)
        for tell in self.left:
            tell(worker, held)

    def not_back(self, worker: Worker, seconds: float = RETURN_SECONDS) -> None:
        """Keep its cordon so long for the case that it comes back, and its name for drains."""
        if worker.id in self._by_id:
            now = time.monotonic()
            self._away[worker.id] = (worker, now + seconds)
            for old, (_, until) in list(self._away.items()):
                if until + AWAY_SECONDS < now or len(self._away) > AWAY_REMEMBERED:
                    del self._away[old]
                    self._by_id.discard(old)

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
        """Let one worker take new calls or not, also when its connection breaks and it is back."""
        (self._by_id.add if cordoned else self._by_id.discard)(worker.id)
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
                worker.cordoned = worker.peer in now or worker.id in self._by_id
                self._registry.rerank(worker)

    def _tell(self, worker: Worker, here: bool) -> None:
        facts = {"agent": worker.agent, "worker": worker.id, "colour": worker.colour}
        self._events.publish("worker", **facts, here=here)


def _traits(worker: Worker) -> tuple[object, ...]:
    said = worker.register
    return (
        worker.agent,
        worker.colour,
        worker.peer,
        said.type,
        said.namespace,
        said.version,
        said.instance_id,
    )
