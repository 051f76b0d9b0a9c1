"""What beginning, going back and ending a run means on the target. Standard library only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from . import lock
from .gateway import Gateway, GatewayError, Refused


def begin(path: Path, content: dict[str, Any], instead_of: str | None, force: bool) -> None:
    """Take the lock; run `instead_of` may be replaced, with `force` any. Raises LockHeld."""
    held = lock.holder_of(path) if force else None
    lock.take(path, content, held["run"] if held else instead_of)


def refusal(error: lock.LockHeld) -> dict[str, Any]:
    """A module's failure when somebody else holds the lock."""
    return {
        "msg": f"this environment is locked: {error}. If that run is really over, "
        "run again with -e break_lock=true",
        "holder": error.holder,
        "held_by": str(error),
    }


def go_back(
    gateway: Gateway, wanted: dict[str, int], by: str, check: bool
) -> tuple[dict[str, Any], str | None]:
    """Set the weights whatever a rollout does meanwhile: the next epoch, without a lease, the
    colours that get weight uncordoned.

    Gives `before`, `flips` and `changed`, after a change also `at` and `ms` (see releve_go_back),
    and a sentence when nobody serves those colours: then the others step in until somebody does.
    With `check` nothing is set. Raises GatewayError.
    """
    state, now = gateway.state(), gateway.decisions()
    to = [colour for colour, weight in wanted.items() if weight]
    cordoned = any(now["cordons"][colour] for colour in to)
    led = now["lease_seconds"] is not None
    flipped = {
        "changed": now["weights"] != wanted or cordoned or led,
        "before": now["weights"],
        "flips": state["flips"],
    }
    if check:
        return flipped, None
    parts = {"weights": wanted, "cordons": dict.fromkeys(to, False), "fallback": None}
    failure = None
    try:
        answer = gateway.decide(by, **parts)
        absent = [colour for colour in to if colour not in answer["serving"]]
    except Refused as error:
        if error.reason != "unserved":
            raise
        absent = error.facts["colours"]
    if absent:
        parts |= {"fallback": list(wanted), "allow_unserved": True}
        answer = gateway.decide(by, **parts)
        failure = (
            f"no uncordoned worker of {' or '.join(absent)} is connected to the gateway: start "
            "one. The weights are set; until it registers, workers of other colours take new rooms"
        )
    if answer["weights"] != now["weights"]:
        flipped |= _moved(state, answer)
    return flipped, failure


def _moved(state: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "flips": state["flips"] + 1,
        "at": time.monotonic(),
        "ms": answer["round_trip_ms"],
    }


def end(path: Path, run: str, gateway: Gateway, record: Path, check: bool) -> dict[str, Any]:
    """Give the lock back; `monotonic`, and `jobs` and `record` as far as there are any."""
    known: dict[str, Any] = {"monotonic": time.monotonic()}
    try:
        known["jobs"] = gateway.jobs()
    except GatewayError as error:  # no gateway yet, or none any more: that is not ours to judge
        known["no_jobs"] = str(error)
    if record.exists():
        known["record"] = record.read_text(encoding="utf-8")
    if not check:
        lock.release(path, run)
    return known
