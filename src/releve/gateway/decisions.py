"""What the operator decides: remembered first, then in force, then told."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from releve.gateway import decisions_file
from releve.gateway.events import Events
from releve.gateway.policy import Colour, Decisions, Rules, Weights

T = TypeVar("T")

log = logging.getLogger(__name__)


class Rulebook:
    """The decisions in force. `changed` is called after every change of them, `flips` counts
    changes of weights per agent."""

    def __init__(self, decisions: Decisions, file: Path, events: Events) -> None:
        self.decisions = decisions
        self.flips: Counter[str] = Counter()
        self.changed: list[Callable[[], None]] = []
        self._file = file
        self._events = events
        self._one_at_a_time = asyncio.Lock()

    def rules(self, agent: str) -> Rules:
        """An agent's rules in force."""
        return self.decisions.agents[agent]

    async def set_weights(self, agent: str, weights: Weights) -> bool:
        """Flip one agent; returns whether anything changed.

        Raises OSError when it cannot be remembered, and then nothing has changed; so do the others.
        """
        async with self._one_at_a_time:
            rules = self.rules(agent)
            if weights == rules.weights:
                return False
            await self._decide(self._with(agent, replace(rules, weights=weights)))
            self.flips[agent] += 1
        self._events.publish("weights", agent=agent, **weights.as_dict())
        return True

    async def set_cordon(self, agent: str, colour: Colour, cordoned: bool) -> bool:
        """Let a colour of an agent take new calls or not; returns whether anything changed."""
        async with self._one_at_a_time:
            rules = self.rules(agent)
            wanted = _put(rules.cordoned, colour, cordoned)
            if wanted == rules.cordoned:
                return False
            await self._decide(self._with(agent, replace(rules, cordoned=wanted)))
        self._events.publish("cordon", agent=agent, colour=colour, cordoned=cordoned)
        return True

    async def set_peer_cordon(self, peer: str, cordoned: bool) -> bool:
        """The same for every worker of one address, those that are there and those that come."""
        async with self._one_at_a_time:
            wanted = _put(self.decisions.cordoned_peers, peer, cordoned)
            if wanted == self.decisions.cordoned_peers:
                return False
            await self._decide(replace(self.decisions, cordoned_peers=wanted))
        self._events.publish("cordon", peer=peer, cordoned=cordoned)
        return True

    def _with(self, agent: str, rules: Rules) -> Decisions:
        return replace(self.decisions, agents={**self.decisions.agents, agent: rules})

    async def _decide(self, decisions: Decisions) -> None:
        # Remembered first: a gateway that dies between the two comes back as it was told to be.
        # In a thread: a disk may take a second, and callers must not wait for it.
        await asyncio.to_thread(decisions_file.save, self._file, decisions)
        self.enforce(decisions)

    def enforce(self, decisions: Decisions) -> None:
        """Put decisions in force that are remembered already."""
        self.decisions = decisions
        for agent, rules in decisions.agents.items():
            cordons = sorted(rules.cordoned | decisions.cordoned_peers)
            facts = {"agent": agent, "weights": rules.weights.as_dict(), "cordon": cordons}
            log.info("rules", extra=facts)
        for tell in self.changed:
            tell()


def _put(all_: frozenset[T], one: T, wanted: bool) -> frozenset[T]:
    return all_ | {one} if wanted else all_ - {one}
