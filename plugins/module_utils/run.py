"""What beginning, going back and ending a run means on the target. Standard library only."""

from __future__ import annotations

import json
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


def admit(gateway: Gateway, from_: str, to: str, by: str, check: bool) -> bool:
    """A dark colour may be called by its dark name, and stands in for nobody: `from_` does where
    it would have. Whether that is a change. Raises GatewayError."""
    now = gateway.decisions()
    fallback = sorted({from_ if colour == to else colour for colour in now["fallback"]})
    if not now["cordons"][to] and fallback == sorted(now["fallback"]):
        return False
    if not check:
        gateway.decide(by, cordons={to: False}, fallback=fallback, why=f"{to} is brought in")
    return True


def direction(path: Path) -> tuple[str, str]:
    """From which colour to which the last rollout went; before any, as a migration goes.

    Raises GatewayError for a file that says something else.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return str(said["from"]), str(said["to"])
    except FileNotFoundError:
        return "blue", "green"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GatewayError(
            f"{path} does not say from which colour to which the last rollout went ({error}). "
            'Write {"from": "blue", "to": "green"} with the right ones into it, then run again'
        ) from error


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
