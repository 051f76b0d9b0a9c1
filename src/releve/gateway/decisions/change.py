"""What somebody asks for with PUT /decisions, read from untrusted JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from releve.gateway.decisions.model import GATEWAY, Otherwise
from releve.gateway.policy import COLOURS, Colour, Weights, parse_weights

NEXT = "next"
HIGHEST_EPOCH = 2**53 - 1
"""Every JSON parser keeps whole numbers up to here."""
BY_CHARACTERS, WHY_CHARACTERS = 120, 500
LISTED, NAME_CHARACTERS = 500, 256
SHORTEST_LEASE, LONGEST_LEASE = 1.0, 86400.0
FIELDS = (
    "by",
    "why",
    "epoch",
    "weights",
    "cordons",
    "fallback",
    "lists",
    "lease_seconds",
    "otherwise",
    "allow_unserved",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What is None stays as it is; an `epoch` of None is the next one."""

    by: str
    epoch: int | None
    why: str | None = None
    weights: Weights | None = None
    cordons: Mapping[Colour, bool] = field(default_factory=dict)
    fallback: frozenset[Colour] | None = None
    lists: Mapping[Colour, frozenset[str]] = field(default_factory=dict)
    lease_seconds: float | None = None
    otherwise: Otherwise | None = None
    allow_unserved: bool = False


def parse(raw: object, fallback: frozenset[Colour]) -> Change:
    """The change that the JSON asks for; `fallback` is the one of the gateway's settings.

    Raises ValueError with a sentence that says what to change.
    """
    if not isinstance(raw, dict):
        raise ValueError('send a JSON object, like {"by": "me", "epoch": "next", "weights": …}')
    if unknown := sorted(set(raw) - set(FIELDS)):
        raise ValueError(f"there is no field {unknown[0]!r}; there are {', '.join(FIELDS)}")
    lease = _lease_seconds(raw.get("lease_seconds"))
    otherwise = raw.get("otherwise")
    if otherwise is not None and lease is None:
        raise ValueError("otherwise is for the end of a lease: give lease_seconds as well")
    allow = raw.get("allow_unserved", False)
    if not isinstance(allow, bool):
        raise ValueError("allow_unserved is true or false")
    return Change(
        by=_by(raw.get("by")),
        epoch=_epoch(raw.get("epoch")),
        why=_text("why", raw["why"], WHY_CHARACTERS) if raw.get("why") is not None else None,
        weights=_weights(raw["weights"]) if raw.get("weights") is not None else None,
        cordons=_cordons(raw.get("cordons")),
        fallback=_fallback(raw, fallback),
        lists=_lists(raw.get("lists")),
        lease_seconds=lease,
        otherwise=None if otherwise is None else _otherwise(otherwise, fallback),
        allow_unserved=allow,
    )


def _text(name: str, raw: object, longest: int) -> str:
    if not isinstance(raw, str) or len(raw) > longest or not (raw.isprintable() or not raw):
        raise ValueError(f"{name} is a text of at most {longest} printable characters")
    return raw


def _by(raw: object) -> str:
    by = _text("by", raw, BY_CHARACTERS)
    if not by.strip() or by == GATEWAY:
        raise ValueError(f"by says who decides: give a name, and not {GATEWAY!r}")
    return by


def _epoch(raw: object) -> int | None:
    if raw == NEXT:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or not 1 <= raw <= HIGHEST_EPOCH:
        raise ValueError(f'epoch is a whole number from 1 to 2^53-1, or "{NEXT}"')
    return raw


def _weights(raw: object) -> Weights:
    try:
        return parse_weights(raw)  # type: ignore[arg-type]  # it checks
    except ValueError as error:
        raise ValueError(f"weights: {error}") from None


def _cordons(raw: object) -> dict[Colour, bool]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not set(raw) <= set(COLOURS):
        raise ValueError('cordons is a map of colours, like {"blue": true, "green": false}')
    if not all(isinstance(wanted, bool) for wanted in raw.values()):
        raise ValueError("cordons: each is true or false")
    return {colour: raw[colour] for colour in COLOURS if colour in raw}


def _fallback(raw: Mapping[str, object], setting: frozenset[Colour]) -> frozenset[Colour] | None:
    if "fallback" not in raw:
        return None
    wanted = raw["fallback"]
    if wanted is None:
        return setting
    if not isinstance(wanted, list) or not all(colour in COLOURS for colour in wanted):
        raise ValueError('fallback is a list of colours, like ["blue"], or null')
    return frozenset(wanted)


def _lists(raw: object) -> dict[Colour, frozenset[str]]:
    if raw is None:
        return {}
    if not isinstance(raw, dict) or not set(raw) <= set(COLOURS):
        raise ValueError('lists is a map of colours, like {"green": ["lesson-7"]}')
    lists = {colour: _names(raw[colour]) for colour in COLOURS if colour in raw}
    both = lists.get("blue", frozenset()) & lists.get("green", frozenset())
    if both:
        raise ValueError(f"lists: {min(both)!r} is in both; name it once")
    return lists


def _names(raw: object) -> frozenset[str]:
    if not isinstance(raw, list) or len(raw) > LISTED:
        raise ValueError(f"lists: each is a list of at most {LISTED} names")
    for name in raw:
        if not _text("lists: a name", name, NAME_CHARACTERS):
            raise ValueError("lists: a name is not empty")
    return frozenset(raw)


def _lease_seconds(raw: object) -> float | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise ValueError("lease_seconds is a number")
    if not SHORTEST_LEASE <= raw <= LONGEST_LEASE:
        raise ValueError(f"lease_seconds is from {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}")
    return float(raw)


def _otherwise(raw: object, setting: frozenset[Colour]) -> Otherwise:
    known: Collection[str] = ("weights", "cordons", "fallback")
    if not isinstance(raw, dict) or "weights" not in raw or not set(raw) <= set(known):
        raise ValueError(f"otherwise is a map with weights, and may have {', '.join(known)}")
    try:
        otherwise = Otherwise(
            _weights(raw["weights"]), _cordons(raw.get("cordons")), _fallback(raw, setting)
        )
    except ValueError as error:
        raise ValueError(f"otherwise: {error}") from None
    for colour, wanted in otherwise.cordons.items():
        if wanted and otherwise.weights[colour]:
            raise ValueError(f"otherwise: {colour} cannot have weight and be cordoned")
    return otherwise
