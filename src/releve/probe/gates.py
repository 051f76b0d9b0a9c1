"""Gates: measured conditions that must hold to go on, as data, and their pure evaluation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Comparison = Literal["at least", "at most", "below"]

_HOLDS: Mapping[Comparison, Callable[[float, float], bool]] = {
    "at least": operator.ge,
    "at most": operator.le,
    "below": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition: `metric` compared with `limit`; `reason` tells why the limit is there.

    `key` is the gate's name in a report's "gate" object; `unit` follows figures in sentences.
    """

    key: str
    metric: str
    comparison: Comparison
    limit: float
    unit: str
    reason: str

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


def _figure(value: float) -> str:
    """A figure for a sentence: six significant digits, no trailing zeros."""
    return f"{value:.6g}"


ECHO = (
    Gate(
        key="valid_fraction_min",
        metric="valid fraction of chirps",
        comparison="at least",
        limit=0.95,
        unit="",
        reason="a caller must hear the answer to what they say",
    ),
    Gate(
        key="rtt_p95_ms_max",
        metric="RTT p95",
        comparison="below",
        limit=200.0,
        unit=" ms",
        reason="beyond it people talk over each other",
    ),
)
