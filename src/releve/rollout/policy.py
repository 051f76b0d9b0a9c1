"""What happens next in a rollout, and what the gateway is to have in force: pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from releve.rollout.plan import Plan
from releve.rollout.state import WATCHED, Answer, Answered, State

AGAIN_SECONDS = 60.0
"""Between two looks of the comparison probe while weights are held: each calls both agents."""
BURST_SECONDS = 8.0
"""From a move of weights to the first look: the rooms opened around it have started by then."""


Wish = Literal["approve", "pause", "resume"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gateway has in force."""

    epoch: int
    by: str
    weights: Mapping[str, int]
    leased: bool
    why: str = ""
    decided: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at monotonic second `now`.

    boot: this boot of the host. decision: the gateway's, None until it has answered. gates: what
    each says. refused: the gateway refuses what is wanted because the old colour has no worker.
    """

    now: float
    boot: str
    decision: Decision | None = None
    gates: Mapping[str, Answer] = field(default_factory=dict)
    refused: bool = False
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """An event to be written down, and its facts."""

    event: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the gateway is to have in force, under the rollout's epoch.

    back: the old colour gets everything, so it is uncordoned. forced: although it has no worker.
    """

    weights: Mapping[str, int]
    leased: bool
    back: bool = False
    forced: bool = False


def following(plan: Plan, state: State, seen: Seen) -> Next | None:
    """What happens next; None while there is nothing to do but to watch."""
    decision = seen.decision
    if state.phase == "ended":
        return None
    if state.epoch is not None and decision is not None and _others(plan, state, decision):
        return _lost(state, decision)
    if state.phase in WATCHED:
        why = breach(plan, state, seen)
        if why is not None:
            return back(state, why)
        if state.epoch is None:
            return None if decision is None else Next("epoch", {"epoch": decision.epoch + 1})
        return _onward(plan, state, seen)
    if in_force(plan, state, decision):
        verdict = "passed" if state.phase == "finishing" else "rolled_back"
        return Next("ended", {"verdict": verdict, "reason": state.reason})
    if seen.refused and not state.unserved:
        return Next("unserved", {"colour": plan.from_})
    return None


def back(state: State, why: str) -> Next:
    """New rooms go back to the old colour; where none had been moved, that is the end."""
    if state.step == 0:
        return Next("ended", {"verdict": "rolled_back", "reason": f"nothing was moved: {why}"})
    return Next("back", {"reason": why})


def asked(state: State, wish: Wish) -> Next | str:
    """What an operator's wish comes to: an event, or a sentence that says why it cannot be."""
    if state.phase not in WATCHED:
        return f"the rollout is {state.phase.replace('_', ' ')}: there is nothing to {wish}"
    match wish:
        case "approve" if state.phase not in ("approval", "holding", "waiting"):
            return "nothing waits for an approval now"
        case "approve" if state.overridden or (state.approved and state.phase == "approval"):
            return "it is approved already"
        case "pause" if state.paused:
            return "it is paused already"
        case "resume" if not state.paused and state.phase != "waiting":
            return "it is not paused"
    return Next({"approve": "approved", "pause": "paused", "resume": "resumed"}[wish])


def wanted(plan: Plan, state: State) -> Wanted | None:
    """What the gateway is to have in force; None before the first step and after the end."""
    if state.step == 0 or state.phase == "ended":
        return None
    if state.phase == "going_back":
        return Wanted(plan.weights(0), leased=False, back=True, forced=state.unserved)
    return Wanted(plan.weights(state.weight), leased=state.phase != "finishing")


def in_force(plan: Plan, state: State, decision: Decision | None) -> bool:
    """Whether the gateway has in force what is wanted."""
    want = wanted(plan, state)
    if want is None or decision is None:
        return False
    return (
        _ours(plan, state, decision)
        and decision.weights == want.weights
        and decision.leased == want.leased
    )


def breach(plan: Plan, state: State, seen: Seen) -> str | None:
    """Why new rooms must go back to the old colour at once; None while there is no reason."""
    said = [f"gate {name}: {why}" for name, why in _said(seen.gates, "fail")]
    if seen.boot != state.boot:
        said.append("the host was restarted, and the calls held through the rollout are gone")
    if seen.decision is not None and seen.decision.weights.keys() != {plan.from_, plan.to}:
        known = " and ".join(seen.decision.weights)
        said.append(f"the gateway has {known}, the plan {plan.from_} and {plan.to}")
    if (other := _changed(plan, state, seen.decision)) is not None:
        said.append(other)
    if seen.wrong is not None:
        said.append(f"the gateway refuses the decision: {seen.wrong}")
    if compared(plan, state) == "fail":
        said.append(f"gate comparison: {state.looks[-1].reason}")
    return "; ".join(said) or None


def compared(plan: Plan, state: State) -> Answered | None:
    """What the comparison of this step says; None while another look is needed."""
    if state.step == 0 or plan.comparison is None or not plan.schedule[state.step - 1].compare:
        return "pass"
    if not state.looks:
        return None
    last, left = state.looks[-1].answer, len(plan.comparison.looks) - len(state.looks)
    if last == "fail" and len(state.looks) == 1 and left > 0:
        return None
    if last == "inconclusive" and left > 0:
        return None
    return last


def look_due(plan: Plan, state: State, now: float) -> int | None:
    """Which of the comparison's commands is to run now, if any."""
    if plan.comparison is None or state.moved is None or state.phase not in WATCHED:
        return None
    answer = compared(plan, state)
    if answer is None and now >= state.moved + BURST_SECONDS:
        return len(state.looks)
    again = answer == "inconclusive" and state.phase == "holding"
    if again and now >= state.looks[-1].t + AGAIN_SECONDS:
        return len(plan.comparison.looks) - 1
    return None


def left_seconds(plan: Plan, state: State, now: float) -> float | None:
    """How long this step is still watched; None when none is."""
    if state.moved is None or state.phase not in WATCHED:
        return None
    return max(0.0, state.moved + plan.schedule[state.step - 1].seconds - now)


def _onward(plan: Plan, state: State, seen: Seen) -> Next | None:
    if state.step > 0:
        if state.moved is None:
            return Next("moved") if in_force(plan, state, seen.decision) else None
        if left_seconds(plan, state, seen.now) or compared(plan, state) is None:
            return None
    if not state.overridden:
        if unsure := _unsure(plan, state, seen):
            # Who is asked to approve the next step is not asked about this one besides.
            waits = state.phase == "approval" and not state.approved
            return None if waits else _held(plan, state, seen.now, unsure)
        if state.phase == "waiting":
            return None
    last = state.step == len(plan.schedule)
    if not last and plan.schedule[state.step].approve and not state.approved:
        waits = state.phase == "approval"
        return None if waits else Next("approval", {"step": state.step + 1})
    if state.paused:
        return None
    if last:
        return Next("done")
    return Next("step", {"step": state.step + 1, "weight": plan.schedule[state.step].weight})


def _held(plan: Plan, state: State, now: float, unsure: str) -> Next | None:
    if state.phase == "waiting":
        return None
    if state.phase != "holding":
        return Next("held", {"reason": unsure})
    if now < state.since + plan.inconclusive.seconds:
        return None
    if plan.inconclusive.then == "wait":
        return Next("waiting", {"reason": unsure})
    since = f"no answer within {plan.inconclusive.seconds:g} s"
    return back(state, f"{since}: {unsure}")


def _unsure(plan: Plan, state: State, seen: Seen) -> str:
    """Why a step that is over is no pass, for each gate without an answer."""
    if state.step == 0:
        return ""
    said = [f"gate {name}: {why}" for name, why in _said(seen.gates, "inconclusive")]
    if compared(plan, state) == "inconclusive":
        said.append(f"gate comparison: {state.looks[-1].reason}")
    return "; ".join(said)


def _said(gates: Mapping[str, Answer], answer: Answered) -> list[tuple[str, str]]:
    return [(name, "; ".join(gate.said)) for name, gate in gates.items() if gate.answer == answer]


def _ours(plan: Plan, state: State, decision: Decision) -> bool:
    return decision.epoch == state.epoch and decision.by == plan.by


def _others(plan: Plan, state: State, decision: Decision) -> bool:
    """Whether somebody has decided since the rollout took its epoch."""
    assert state.epoch is not None
    return decision.epoch >= state.epoch and not _ours(plan, state, decision)


def _lost(state: State, decision: Decision) -> Next:
    """The end of a rollout whose epoch is over: it touches nothing any more."""
    assert state.epoch is not None
    if decision.by == "gateway" and decision.epoch == state.epoch + 1:
        reason = "; ".join(filter(None, [state.reason, decision.why]))
        return Next("ended", {"verdict": "rolled_back", "reason": reason})
    reason = f"{decision.by} decided at {decision.decided}"
    return Next("ended", {"verdict": "superseded", "reason": reason})


def _changed(plan: Plan, state: State, decision: Decision | None) -> str | None:
    """Why what the gateway has in force cannot be what this rollout put there.

    So it is after a predecessor that went back and could not write it down, and after a gateway
    that lost its file.
    """
    if decision is None or state.epoch is None or state.step == 0:
        return None
    mine = {state.weight} if state.moved is not None else {state.weight, state.before}
    green = decision.weights.get(plan.to)
    if _ours(plan, state, decision) and (green not in mine or not decision.leased):
        lease = "" if decision.leased else " without a lease"
        return (
            f"the gateway gives {plan.to} {green} %{lease}, the journal says {state.weight} % with"
        )
    if decision.epoch < state.epoch and (state.step > 1 or state.moved is not None):
        return f"the gateway is at epoch {decision.epoch}, the rollout at {state.epoch}"
    return None
