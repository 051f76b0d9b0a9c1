"""Gates: measured conditions that must hold to go on, as data, and their pure evaluation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Literal

import yaml
from pydantic import TypeAdapter

Comparison = Literal["at least", "at most", "below"]

_HOLDS: Mapping[Comparison, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "below": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: `metric` compared with `limit`; `reason` tells why the limit is there.

    `key` is the gate's name in a report's "gate" object; `unit` follows figures in sentences;
    `kinds`: of agents that it is for (echo, talks, listens), all of them where it names none.
    """

    key: str
    metric: str
    comparison: Comparison
    limit: float
    reason: str
    unit: str = ""
    kinds: tuple[str, ...] = ()

    def judged(self, metrics: Mapping[str, float | None]) -> dict[str, object]:
        """The gate as a report shows it: what it asks for, the figure, and whether it held."""
        asked = {name: getattr(self, name) for name in ("key", "metric", "comparison", "limit")}
        held = self.failure(metrics) is None
        return asked | {
            "unit": self.unit,
            "reason": self.reason,
            "value": metrics.get(self.metric),
            "held": held,
        }

    def failure(self, metrics: Mapping[str, float | None]) -> str | None:
        """A sentence with the figure and the limit, or None when the gate holds.

        A metric that is absent, None or not a number is "not enough data": it never passes.
        """
        value = metrics.get(self.metric)
        wanted = f"{self.comparison} {_figure(self.limit)}{self.unit} is needed ({self.reason})"
        if value is None or value != value:  # NaN is the one number unlike itself
            return f"{self.metric}: not enough data, {wanted}"
        if _HOLDS[self.comparison](value, self.limit):
            return None
        return f"{self.metric} is {_figure(value)}{self.unit}, {wanted}"


def failures(gates: Iterable[Gate], metrics: Mapping[str, float | None]) -> list[str]:
    """The sentences of every gate that does not hold, in order."""
    return [said for gate in gates if (said := gate.failure(metrics)) is not None]


def for_kind(gates: Iterable[Gate], kind: str) -> list[Gate]:
    """Those that judge agents of a kind."""
    return [gate for gate in gates if kind in gate.kinds or not gate.kinds]


def _figure(value: float) -> str:
    """A figure for a sentence: six significant digits, no trailing zeros."""
    return f"{value:.6g}"


class GateError(ValueError):
    """A gate or limit that was asked for cannot be; the message says which there are."""


def of(suite: str, limits: Iterable[str] = (), only: Iterable[str] = ()) -> list[Gate]:
    """The gates of a suite, as gates.yaml beside this file has them.

    `limits` are overrides `<key>=<number>`; of `only`, if given, the keys that judge.
    Raises GateError.
    """
    path = resources.files("releve.probe.judgement") / "gates.yaml"
    gates = TypeAdapter(dict[str, list[Gate]]).validate_python(yaml.safe_load(path.read_text()))
    known = {gate.key: gate for gate in gates[suite]}
    for limit in limits:
        key, _, number = limit.partition("=")
        gate = known[_known(key, known)]
        try:
            known[key] = replace(gate, limit=float(number))
        except ValueError:
            raise GateError(f"{limit}: not a number") from None
    chosen = {_known(key, known) for key in only} or set(known)
    return [gate for gate in known.values() if gate.key in chosen]


def _known(key: str, known: Mapping[str, Gate]) -> str:
    if key not in known:
        raise GateError(f"no gate is called {key!r}; there are {', '.join(known)}")
    return key
