"""Gates on the gateway's own figures: the new release beside the old one. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from releve.probe.judgement import gates
from releve.rollout.plan import Plan
from releve.rollout.state import Answer

OURS = "releve-"
"""Rooms of synthetic calls begin so."""
EARLY_SECONDS = 10.0
"""A call that ended sooner has helped nobody."""
LEAST_CALLS = 10
"""Of each colour: fewer ended calls say nothing about a part of them."""
SURE = 3.0
"""Standard errors beyond chance. One look in some 700 is wrong then, and calls end seldom enough
for looks to repeat each other."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A synthetic new room: opened at a monotonic second, the agent's audio so much later."""

    room: str
    opened: float
    audio_s: float


@dataclass(frozen=True, slots=True)
class Offers:
    """Offers of the server that the gateway has answered since it started."""

    assigned: float = 0.0
    rejected: float = 0.0

    def since(self, earlier: Offers) -> Offers:
        """Those in between; a gateway that started anew counts from nothing."""
        if self.assigned < earlier.assigned or self.rejected < earlier.rejected:
            return self
        return Offers(self.assigned - earlier.assigned, self.rejected - earlier.rejected)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    some: float
    all: float

    @property
    def part(self) -> float:
        return self.some / self.all if self.all else 0.0


def serving(plan: Plan, unserved_s: float) -> Answer:
    """Whether the new release has a worker that takes calls."""
    gate = plan.limits.gate("unserved_s_max")
    figures = {gate.metric: round(unserved_s, 1)}
    said = gates.failures([gate], figures)
    return Answer("fail" if said else "pass", tuple(said), {"unserved_s": round(unserved_s, 1)})


def agent_audio(
    plan: Plan, arrivals: Iterable[Arrival], colours: Mapping[str, str], began: float
) -> Answer:
    """How long the new release's audio took in new rooms. Where the old one's is as late, there
    is no answer: the host is too busy to tell.

    colours: who serves a room. began: of the rollout.
    """
    gate = plan.limits.gate("agent_audio_s_max")
    slowest = {
        plan.to: _slowest(
            a for a in arrivals if colours.get(a.room) == plan.to and a.opened >= began
        ),
        plan.from_: _slowest(a for a in arrivals if colours.get(a.room) == plan.from_),
    }
    figures = {f"{colour}_s": value for colour, value in slowest.items()}
    if slowest[plan.to] is None:
        return Answer("pass", (), figures)
    said = gates.failures([gate], {gate.metric: slowest[plan.to]})
    if not said:
        return Answer("pass", (), figures)
    beside = slowest[plan.from_]
    if beside is not None and gates.failures([gate], {gate.metric: beside}):
        return Answer("inconclusive", (f"{plan.from_} took {beside:g} s, too", *said), figures)
    return Answer("fail", tuple(said), figures)


def offers(plan: Plan, before: Offers, now: Offers) -> Answer:
    """Offers that no worker took, since the rollout's first look.

    Where some were rejected before, those of the rollout must be more than chance explains.
    """
    gate = plan.limits.gate("rejected_max")
    new = now.since(before)
    figures = {"rejected": new.rejected, "offers": new.rejected + new.assigned}
    said = gates.failures([gate], {gate.metric: new.rejected})
    earlier = Share(before.rejected, before.rejected + before.assigned)
    if said and before.rejected and not more(Share(new.rejected, figures["offers"]), earlier):
        return Answer("pass", (f"{earlier.part:.1%} were rejected before, too",), figures)
    return Answer("fail" if said else "pass", tuple(said), figures)


def early_ends(plan: Plan, jobs: Iterable[Mapping[str, Any]], began: float) -> Answer:
    """Which part of each release's calls ended within seconds, since the rollout began."""
    gate = plan.limits.gate("early_ends_more_max")
    ended = [
        job
        for job in jobs
        if job["agent"] == plan.agent
        and job["state"] == "ended"
        and job["started"] >= began
        and not job["room"].startswith(OURS)
    ]
    new, old = (_early(ended, colour) for colour in (plan.to, plan.from_))
    figures = {f"{plan.to}_early": new.part, f"{plan.from_}_early": old.part}
    if min(new.all, old.all) < LEAST_CALLS or not more(new, old):
        return Answer("pass", (), figures)
    said = gates.failures([gate], {gate.metric: new.part - old.part})
    return Answer("fail" if said else "pass", tuple(said), figures)


def more(one: Share, other: Share) -> bool:
    """Whether the one part is larger than chance explains (two proportions, pooled)."""
    if not one.all or not other.all:
        return one.part > other.part
    pooled = (one.some + other.some) / (one.all + other.all)
    error = math.sqrt(pooled * (1 - pooled) * (1 / one.all + 1 / other.all))
    return one.part - other.part > SURE * error


def _slowest(arrivals: Iterable[Arrival]) -> float | None:
    return max((round(arrival.audio_s, 2) for arrival in arrivals), default=None)


def _early(ended: Iterable[Mapping[str, Any]], colour: str) -> Share:
    lengths = [job["ended"] - job["started"] for job in ended if job["colour"] == colour]
    return Share(sum(length < EARLY_SECONDS for length in lengths), len(lengths))
