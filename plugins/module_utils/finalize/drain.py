"""Draining a colour: cordon it, and tell by the server's word when its last call is over.

Standard library only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..gateway import Gateway, GatewayError

LOOK_SECONDS = 1.0
COUNT_SECONDS = 10.0
"""Counting calls asks the server about every room."""
ACTIVE, DRAINING, DRAINED = "active", "draining", "drained"


class DrainError(Exception):
    """The colour cannot be drained; the message says why."""


class Looked(NamedTuple):
    """Where a colour is: active, draining or drained; its calls by the server's word, and when the
    server was asked (UTC)."""

    colour: str
    state: str
    calls: int
    checked: str

    def __str__(self) -> str:
        many = {0: "no call", 1: "1 call"}.get(self.calls, f"{self.calls} calls")
        return f"{self.colour} is {self.state}: {many} (last checked {self.checked})"


def choose(decisions: dict[str, Any], colour: str | None) -> str:
    """The colour to drain: by default the one without weight. Raises DrainError for one that is in
    service, and where a rollout is in progress."""
    weights: dict[str, int] = decisions["weights"]
    if decisions["lease_seconds"] is not None:
        raise DrainError(
            f"a rollout is in progress ({decisions['by']}): wait until it has ended, or roll back"
        )
    idle = [name for name, weight in weights.items() if weight == 0]
    if colour is None:
        if not idle:
            shown = ", ".join(f"{name} {weight}" for name, weight in weights.items())
            raise DrainError(
                f"every colour gets new rooms ({shown}); give all of them to one first"
            )
        return idle[0]
    if colour not in weights:
        raise DrainError(f"there is no colour {colour!r}; use {' or '.join(weights)}")
    if colour not in idle:
        raise DrainError(
            f"{colour} is in service, it gets {weights[colour]} % of new rooms; give them to the "
            "other one first"
        )
    return colour


def cordon(gateway: Gateway, colour: str, by: str, check: bool) -> bool:
    """No new calls for the colour; whether that is a change. Raises GatewayError."""
    if gateway.decisions()["cordons"][colour]:
        return False
    if not check:
        gateway.decide(by, cordons={colour: True}, why="drain")
    return True


def look(gateway: Gateway, colour: str) -> Looked:
    """Where it is now. Raises GatewayError, also where the server does not answer: then nobody
    knows."""
    calls = [one for one in gateway.calls() if _of(one, colour)]
    state = gateway.state()
    if colour not in state["cordoned"]:
        said = ACTIVE
    elif colour in state["drained"] and not calls:
        said = DRAINED
    else:
        said = DRAINING
    return Looked(colour, said, len(calls), time.strftime("%H:%M:%S UTC", time.gmtime()))


def wait(gateway: Gateway, colour: str, seconds: float, tell: Callable[[str], None]) -> Looked:
    """Where it is, at the latest after `seconds`; before that when it is drained.

    Raises DrainError when somebody lifts its cordon meanwhile, and GatewayError when nothing is
    known at the end.
    """
    deadline, counted = time.monotonic() + seconds, float("-inf")
    while True:
        over = time.monotonic() >= deadline
        try:
            state = gateway.state()
            if colour not in state["cordoned"]:
                by = gateway.decisions()["by"]
                raise DrainError(f"{colour} is cordoned no more: {by} decided otherwise")
            due = time.monotonic() >= counted + COUNT_SECONDS
            if over or due or colour in state["drained"]:
                found, counted = look(gateway, colour), time.monotonic()
                tell(str(found))
                if over or found.state == DRAINED:
                    return found
        except GatewayError as error:
            if over:
                raise
            tell(f"{colour}: not known: {error}")
        time.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))


def _of(call: dict[str, Any], colour: str) -> bool:
    """Of the agent that we move; one that came past the gateway is of the version before it."""
    ours = call.get("agent") in (None, "default")
    return ours and (call.get("colour") or "blue") == colour
