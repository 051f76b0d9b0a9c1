"""Which change of a decision is taken, and what the end of a lease means: pure functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple

from releve.gateway.decisions.change import Change
from releve.gateway.decisions.model import GATEWAY, Decision, Lease, Tenure, cordoned
from releve.gateway.policy import COLOURS, Colour, Rules


class Moment(NamedTuple):
    """Now: leases go by the monotonic clock, people by the other."""

    monotonic: float
    wall: float


class Conflict(Exception):
    """The change is not taken; nothing has changed."""

    reason = ""

    def __init__(self, text: str, decision: Decision) -> None:
        super().__init__(text)
        self.decision = decision
        """The one in force."""


class Superseded(Conflict):
    """Somebody else has decided since."""

    reason = "superseded"

    def __init__(self, epoch: int, decision: Decision) -> None:
        now = decision.tenure
        text = f"epoch {epoch} is superseded: epoch {now.epoch} is in force"
        if now.by:
            text += f", decided by {now.by}"
        super().__init__(text, decision)


class Unserved(Conflict):
    """A colour would get weight that nobody serves."""

    reason = "unserved"

    def __init__(self, colours: list[Colour], decision: Decision) -> None:
        text = (
            f"{' and '.join(colours)} would get weight, and no uncordoned worker of it is "
            'connected: start one, uncordon it, or send "allow_unserved": true'
        )
        super().__init__(text, decision)
        self.colours = colours


def decide(now: Decision, change: Change, serving: Collection[Colour], at: Moment) -> Decision:
    """The decision after a change. `serving` are the colours with a connected worker that is not
    cordoned.

    Raises Superseded or Unserved, and ValueError for a new lease without `otherwise`.
    """
    tenure = now.tenure
    epoch = tenure.epoch + 1 if change.epoch is None else change.epoch
    renewed = epoch == tenure.epoch and change.by == tenure.by
    if epoch <= tenure.epoch and not renewed:
        raise Superseded(epoch, now)
    lease = None
    if change.lease_seconds is not None:
        otherwise = change.otherwise
        if otherwise is None and renewed and tenure.lease is not None:
            otherwise = tenure.lease.otherwise
        if otherwise is None:
            raise ValueError("a lease needs otherwise: what holds when nobody renews it")
        lease = Lease(change.lease_seconds, at.monotonic + change.lease_seconds, otherwise)
    rules = Rules(
        now.rules.weights if change.weights is None else change.weights,
        cordoned(now.rules.cordoned, change.cordons),
        now.rules.fallback if change.fallback is None else change.fallback,
        _listed(now.rules, change),
    )
    missing = unserved(now.rules, rules, serving)
    if missing and not change.allow_unserved:
        raise Unserved(missing, now)
    same = renewed and rules == now.rules
    why = (tenure.why if same else "") if change.why is None else change.why
    return Decision(
        rules, Tenure(epoch, change.by, why, tenure.decided if same else at.wall, lease)
    )


def _listed(now: Rules, change: Change) -> dict[str, Colour]:
    """Lists that the change does not name stay, but not that of a colour to which it gives weight
    0: a rollback says just that, whatever the weight was, and wants nobody there."""
    lists: dict[Colour, Collection[str]] = {
        colour: [name for name, other in now.listed.items() if other == colour]
        for colour in COLOURS
        if change.weights is None or change.weights[colour]
    }
    lists |= change.lists
    named = set().union(*change.lists.values())
    return {
        name: colour
        for colour, names in lists.items()
        for name in sorted(names)
        if colour in change.lists or name not in named
    }


def unserved(before: Rules, after: Rules, serving: Collection[Colour]) -> list[Colour]:
    """The colours that get more weight than before and have nobody to serve it.

    Those that keep or lose weight are not looked at: a renewal is not refused, and weight can be
    taken away, while a worker connects again.
    """
    return [
        colour
        for colour in COLOURS
        if after.weights[colour] > before.weights[colour]
        and (colour in after.cordoned or colour not in serving)
    ]


def lease_over(now: Decision, serving: Collection[Colour], at: Moment) -> Decision | None:
    """The decision that the gateway takes by itself when the lease has run out; None before."""
    tenure = now.tenure
    if tenure.lease is None or at.monotonic < tenure.lease.ends:
        return None
    rules = tenure.lease.otherwise.applied_to(now.rules)
    if not any(rules.weights[colour] and colour in serving for colour in COLOURS):
        # Whoever had rooms until now goes on with them: otherwise callers would find nobody.
        still = {
            colour
            for colour in COLOURS
            if now.rules.weights[colour] and colour in serving and colour not in rules.cordoned
        }
        rules = replace(rules, fallback=rules.fallback | still)
    why = f"the lease of epoch {tenure.epoch} ({tenure.by}) ran out"
    return Decision(rules, Tenure(tenure.epoch + 1, GATEWAY, why, at.wall))
