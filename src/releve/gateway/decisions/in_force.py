"""The decisions in force: on disk first, then in force, then told."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from releve.gateway.decisions import epochs, file
from releve.gateway.decisions.change import Change
from releve.gateway.decisions.epochs import Conflict, Moment
from releve.gateway.decisions.model import Decision, Decisions
from releve.gateway.events import Events
from releve.gateway.policy import COLOURS, Colour, Rules

log = logging.getLogger(__name__)

FOLLOW_SECONDS = 0.2
"""How late this gateway may notice what another one wrote into the file that they share."""

Serving = dict[str, Collection[Colour]]
Step = Callable[[Decisions], Decisions]


class Outcome(NamedTuple):
    """What became of a step: the decisions now, and why it was not taken, if it was not."""

    decisions: Decisions
    error: Conflict | ValueError | None = None


class Rulebook:
    """The decisions in force. `changed` is called after every change of them, `flips` counts
    changes of weights per agent. `serving` tells which colours of an agent have a connected worker
    that is not cordoned."""

    def __init__(
        self,
        decisions: Decisions,
        path: Path,
        fallback: frozenset[Colour],
        events: Events,
        serving: Callable[[str], Collection[Colour]],
    ) -> None:
        self.decisions = decisions
        self.fallback = fallback
        self.flips: Counter[str] = Counter()
        self.changed: list[Callable[[], None]] = []
        self.serving = serving
        self._file = path
        self._seen: file.Signature | None = None
        self._events = events
        self._one_at_a_time = asyncio.Lock()

    def rules(self, agent: str) -> Rules:
        """An agent's rules in force."""
        return self.decisions.agents[agent]

    async def decide(self, agent: str, change: Change) -> bool:
        """Change the decision about one agent; returns whether its rules are others now.

        Raises Conflict, ValueError, Locked or OSError, and then nothing has changed.
        """
        serving = self.serving(agent)

        def step(now: Decisions) -> Decisions:
            decided = epochs.decide(now.of(agent), change, serving, _now())
            return now.with_(agent, decided)

        before = self.rules(agent)
        await self._update(step)
        return self.rules(agent) != before

    async def set_peer_cordon(self, peer: str, cordoned: bool) -> bool:
        """Let the workers of one address take new calls or not, those that are there and those
        that come; returns whether anything changed. Raises Locked or OSError."""

        def step(now: Decisions) -> Decisions:
            peers = now.cordoned_peers
            return replace(now, cordoned_peers=peers | {peer} if cordoned else peers - {peer})

        before = self.decisions
        await self._update(step)
        return self.decisions.cordoned_peers != before.cordoned_peers

    async def follow(self) -> None:
        """Put in force what another gateway has written, and end leases that have run out.

        Raises Locked; a lease ends also when the disk does not take it.
        """
        if self._written_by_another() or self._overdue():
            try:
                await self._update(lambda now: now)
            except OSError as error:
                log.error("the end of a lease is not on disk", extra={"why": str(error)})
                self.enforce(_leases_ended(self.decisions, self._all_serving(), _now()))

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                await self.follow()
            except file.Locked as error:
                log.error("decisions not followed", extra={"why": str(error)})
            await asyncio.sleep(min(FOLLOW_SECONDS, max(0.0, self._until_lease_ends())))

    def enforce(self, decisions: Decisions) -> None:
        """Put decisions in force that are remembered already, and tell what they change."""
        before, self.decisions = self.decisions, decisions
        for agent in decisions.agents:
            self._tell(agent, before.of(agent) if agent in before.agents else Decision())
        for peer in sorted(before.cordoned_peers ^ decisions.cordoned_peers):
            cordoned = peer in decisions.cordoned_peers
            self._events.publish("cordon", peer=peer, cordoned=cordoned)
        if (before.agents, before.cordoned_peers) != (decisions.agents, decisions.cordoned_peers):
            for tell in self.changed:
                tell()

    def describe(self, agent: str) -> dict[str, object]:
        """The form of GET /decisions."""
        serving = self.serving(agent)
        return {
            "agent": agent,
            **described(self.decisions.of(agent), time.monotonic()),
            "serving": [c for c in COLOURS if c in serving and c not in self.rules(agent).cordoned],
        }

    def _tell(self, agent: str, before: Decision) -> None:
        now = self.decisions.of(agent)
        changed = now.rules != before.rules
        self.flips[agent] += now.rules.weights != before.rules.weights
        if changed or now.tenure.epoch != before.tenure.epoch:
            facts = {**self.describe(agent), "changed": changed}
            self._events.publish("decision", **facts)
            log.info("decision", extra=facts)

    async def _update(self, step: Step) -> None:
        """Take one step from what is on disk, and put it in force."""
        async with self._one_at_a_time:
            # In a thread: a disk may take a second, and callers must not wait for it.
            serving = self._all_serving()
            outcome, self._seen = await asyncio.to_thread(self._on_disk, step, serving)
            if outcome.decisions != self.decisions:
                self.enforce(outcome.decisions)
            if outcome.error is not None:
                raise outcome.error

    def _on_disk(self, step: Step, serving: Serving) -> tuple[Outcome, file.Signature | None]:
        """Remembered first: a gateway that dies afterwards comes back as it was told to be."""
        with file.locked(self._file):
            found = self._found()
            now = _leases_ended(found or self.decisions, serving, _now())
            try:
                outcome = Outcome(step(now))
            except (Conflict, ValueError) as error:
                outcome = Outcome(now, error)
            if outcome.decisions != found:
                file.save(self._file, outcome.decisions, self.fallback)
            return outcome, file.signature(self._file)

    def _found(self) -> Decisions | None:
        """What is on disk; None when that is damaged, and what is in force is to replace it."""
        if not self._written_by_another():
            return self.decisions  # also when the file is gone
        try:
            return file.load(self._file, self.decisions.agents, self.fallback)
        except file.StateError as error:
            log.error("state file is written anew", extra={"why": str(error)})
            return None

    def _written_by_another(self) -> bool:
        now = file.signature(self._file)
        return now is not None and now != self._seen

    def _all_serving(self) -> Serving:
        return {agent: self.serving(agent) for agent in self.decisions.agents}

    def _until_lease_ends(self) -> float:
        """Seconds until the next lease ends."""
        ends = [t.lease.ends for t in self.decisions.tenures.values() if t.lease is not None]
        return min(ends, default=float("inf")) - time.monotonic()

    def _overdue(self) -> bool:
        return self._until_lease_ends() <= 0


def described(decision: Decision, monotonic: float) -> dict[str, object]:
    """A decision in JSON's form, with what remains of its lease."""
    rules, tenure = decision.rules, decision.tenure
    lease = tenure.lease
    left = None if lease is None else round(max(0.0, lease.ends - monotonic), 3)
    return {
        **_rules(rules),
        "lists": {
            colour: sorted(name for name, own in rules.listed.items() if own == colour)
            for colour in COLOURS
        },
        "epoch": tenure.epoch,
        "by": tenure.by,
        "why": tenure.why,
        "decided": None if tenure.decided is None else _utc(tenure.decided),
        "lease_seconds": None if lease is None else lease.seconds,
        "remaining_seconds": left,
        "otherwise": None if lease is None else _rules(lease.otherwise.applied_to(rules)),
    }


def _rules(rules: Rules) -> dict[str, object]:
    return {
        "weights": rules.weights.as_dict(),
        "cordons": {colour: colour in rules.cordoned for colour in COLOURS},
        "fallback": sorted(rules.fallback),
    }


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _now() -> Moment:
    return Moment(time.monotonic(), time.time())


def _leases_ended(decisions: Decisions, serving: Serving, at: Moment) -> Decisions:
    for agent in decisions.agents:
        ended = epochs.lease_over(decisions.of(agent), serving.get(agent, ()), at)
        if ended is not None:
            decisions = decisions.with_(agent, ended)
    return decisions
