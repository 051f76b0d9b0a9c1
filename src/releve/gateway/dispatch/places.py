"""Places: how many calls an agent may have, and how many a worker, exactly and in any burst.

A place is taken before a worker is asked, and held until the offer comes to nothing or the call is
over. An offer that finds none waits for one, and not for long: the server gives it up after three
seconds. Those that have waited longest look first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from releve.gateway.config import GatewayConfig
from releve.gateway.dispatch.registry import Registry
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import Colour

LOOK_SECONDS = 0.1
SHORTEST_SECONDS = 0.001
"""Timers may be early by the clock's resolution: what is left then is not waited for."""


class Places:
    """The caps of all agents. `freed` is called when a call of an agent with a cap is over."""

    def __init__(self, config: GatewayConfig, registry: Registry) -> None:
        self.freed: list[Callable[[], None]] = []
        self._agents = config.agents
        self._registry = registry
        self._asking: dict[str, Counter[str]] = defaultdict(Counter)  # rooms of open offers
        self._waiting: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)
        registry.over.append(lambda job: self._free(job.key.agent))

    def calls(self, agent: str) -> int:
        """The agent's calls: rooms, not jobs, because a handover has two of one room."""
        return len(self._registry.calls[agent])

    def full(self, agent: str) -> bool:
        """Whether the agent has as many calls as it may."""
        most = self._agents[agent].calls
        return most is not None and self.calls(agent) >= most

    def seconds(self, agent: str) -> float:
        """How long an offer may wait for a place."""
        return self._agents[agent].queue_seconds

    def may_come(self, agent: str, kind: int, colours: Collection[Colour]) -> bool:
        """Whether a worker is passed over only because it has, or may get, all calls it may."""
        most = self._agents[agent].calls_per_worker
        if most is None:
            return False
        return any(
            _at_its_cap(worker) and (worker.asked or self.seconds(agent) > 0)
            for worker in self._registry.workers.values()
            if (worker.agent, worker.register.type) == (agent, kind) and worker.colour in colours
        )

    @contextmanager
    def asking(self, agent: str, room: str) -> Iterator[None]:
        """The room's place while workers are asked: taken, or there is none (`Full`)."""
        most = self._agents[agent].calls
        rooms = self._asking[agent]
        if most is not None:
            taken = self._registry.calls[agent].keys() | rooms.keys()
            if room not in taken and len(taken) >= most:
                raise Full(f"{most} of {most} calls of {agent}")
        rooms[room] += 1
        try:
            yield
        finally:
            rooms[room] -= 1
            if not rooms[room]:
                del rooms[room]

    async def changed(self, agent: str, until: float) -> bool:
        """Wait until a place may be free; False when it is later than `until` by the loop's
        clock."""
        loop = asyncio.get_running_loop()
        if loop.time() > until - SHORTEST_SECONDS:
            return False
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting[agent].append(turn)
        with contextlib.suppress(TimeoutError):
            # Workers come, are uncordoned, refuse: all that need not be told here.
            async with asyncio.timeout_at(min(until, loop.time() + LOOK_SECONDS)):
                await turn
        turn.cancel()
        return True

    def _free(self, agent: str) -> None:
        self.wake(agent)
        limits = self._agents.get(agent)
        if limits is not None and (limits.calls, limits.calls_per_worker) != (None, None):
            for tell in self.freed:
                tell()

    def wake(self, agent: str) -> None:
        """Everybody who waits looks again, in the order in which they came. Not for a look that
        asked nobody: those who wait would wake each other without an end."""
        waiting, self._waiting[agent] = self._waiting[agent], deque()
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)


class Full(Exception):
    """There is no place; the text says which cap is reached."""


def _at_its_cap(worker: Worker) -> bool:
    return not worker.cordoned and not worker.full and worker.at_its_cap
