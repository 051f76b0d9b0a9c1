"""Where a rollout is, folded from its journal: a restart knows what was known before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal

from releve.rollout.journal import Entry

Answered = Literal["pass", "fail", "inconclusive"]
Phase = Literal[
    "starting",  # nothing is moved yet
    "stepping",  # weights of a step are in force, or are being put
    "holding",  # a gate has no answer: the weights stay, and it is asked again
    "approval",  # the next step waits for an operator's approval
    "waiting",  # a gate still had no answer at its deadline: a person decides
    "going_back",  # the old release is to get every new room
    "finishing",  # passed: the weights are to stay for good, without a lease
    "ended",
]
Verdict = Literal["passed", "rolled_back", "superseded"]
WATCHED: frozenset[Phase] = frozenset({"starting", "stepping", "holding", "approval", "waiting"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a gate says, why it is no pass, and the figures it goes by."""

    answer: Answered
    said: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """One run of the comparison probe, ended at `t`."""

    answer: Answered
    reason: str
    t: float


@dataclass(frozen=True, slots=True)
class State:
    """phase: what is going on, since monotonic second `since`.

    began, boot: when, and in which boot of the host. epoch: the rollout's own at the gateway.
    step: its number in the schedule, 0 before the first. weight: the new colour's in this step;
    before: in the one before. moved: when this step's weights were in force. looks: of this step.
    approved: the next step. overridden: a person lets this step pass although a gate has no answer.
    unserved: the old colour had no worker when going back. reason: of going back, holding or
    waiting.
    """

    phase: Phase = "starting"
    since: float = 0.0
    began: float = 0.0
    boot: str = ""
    epoch: int | None = None
    step: int = 0
    weight: int = 0
    before: int = 0
    moved: float | None = None
    looks: tuple[Look, ...] = ()
    approved: bool = False
    overridden: bool = False
    paused: bool = False
    unserved: bool = False
    reason: str | None = None
    verdict: Verdict | None = None


def fold(entries: Iterable[Entry]) -> State:
    """The state after all of them."""
    return reduce(after, entries, State())


def after(state: State, entry: Entry) -> State:
    """The state once `entry` has happened. Events that change nothing are there for people."""
    facts, t = entry.facts, entry.t

    def phase(name: Phase, **more: Any) -> State:
        return replace(state, phase=name, since=t, reason=facts.get("reason"), **more)

    match entry.event:
        case "began":
            return replace(state, began=t, since=t, boot=entry.boot)
        case "epoch":
            return replace(state, epoch=facts["epoch"])
        case "step":
            return phase(
                "stepping",
                step=facts["step"],
                weight=facts["weight"],
                before=state.weight,
                moved=None,
                looks=(),
                approved=False,
                overridden=False,
            )
        case "moved":
            return replace(state, moved=t)
        case "compared":
            look = Look(facts["answer"], facts["reason"], t)
            return replace(state, looks=(*state.looks, look))
        case "held":
            return phase("holding")
        case "approval":
            return phase("approval")
        case "waiting":
            return phase("waiting")
        case "approved":
            overridden = state.phase in ("holding", "waiting")
            return replace(state, approved=True, overridden=overridden)
        case "paused":
            return replace(state, paused=True)
        case "resumed" if state.phase == "waiting":
            return replace(phase("holding"), paused=False, reason=state.reason)
        case "resumed":
            return replace(state, paused=False)
        case "back":
            return phase("going_back")
        case "unserved":
            return replace(state, unserved=True)
        case "done":
            return phase("finishing")
        case "ended":
            return phase("ended", verdict=facts["verdict"])
    return state
