"""A decision about one agent, its lease, and all decisions of a gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from releve.gateway.policy import COLOURS, Colour, Rules, Weights

GATEWAY = "gateway"
"""Who has decided when a lease ran out."""


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What holds after a lease. Cordons that are not named and a fallback of None stay as they
    are then, but a colour that gets weight is uncordoned, and one without has no list."""

    weights: Weights
    cordons: Mapping[Colour, bool] = field(default_factory=dict)
    fallback: frozenset[Colour] | None = None

    def applied_to(self, rules: Rules) -> Rules:
        """The rules after a lease that ended under `rules`."""
        kept = {colour for colour in rules.cordoned if not self.weights[colour]}
        fallback = rules.fallback if self.fallback is None else self.fallback
        listed = {name: colour for name, colour in rules.listed.items() if self.weights[colour]}
        return Rules(self.weights, cordoned(frozenset(kept), self.cordons), fallback, listed)


@dataclass(frozen=True, slots=True)
class Lease:
    """A decision with a lease holds until `ends`, in seconds of the monotonic clock."""

    seconds: float
    ends: float
    otherwise: Otherwise


@dataclass(frozen=True, slots=True)
class Tenure:
    """Who has decided, when (seconds since 1970), why, and for how long."""

    epoch: int = 0
    by: str = ""
    why: str = ""
    decided: float | None = None
    lease: Lease | None = None


NOBODY = Tenure()
FIRST = Rules()


@dataclass(frozen=True, slots=True)
class Decision:
    """The rules of one agent, and who has decided them."""

    rules: Rules = FIRST
    tenure: Tenure = NOBODY


@dataclass(frozen=True, slots=True)
class Decisions:
    """All decisions: rules and tenure per agent, and addresses whose workers take nothing."""

    agents: Mapping[str, Rules]
    cordoned_peers: frozenset[str] = frozenset()
    tenures: Mapping[str, Tenure] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, agent: str) -> Decision:
        """The decision about an agent."""
        return Decision(self.agents[agent], self.tenures.get(agent, NOBODY))

    def with_(self, agent: str, decision: Decision) -> Decisions:
        """The same with another decision about one agent."""
        return replace(
            self,
            agents={**self.agents, agent: decision.rules},
            tenures={**self.tenures, agent: decision.tenure},
        )


def cordoned(now: frozenset[Colour], cordons: Mapping[Colour, bool]) -> frozenset[Colour]:
    """The cordoned colours, where `cordons` names those that change."""
    return frozenset(colour for colour in COLOURS if cordons.get(colour, colour in now))
