"""Percentiles, slopes and their confidence intervals. Pure; too few values give None."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST_FOR_P95 = 20  # of fewer values the 95th percentile is just the largest
CONFIDENCE = 0.95
RESAMPLES = 2000
BINS = 120  # per call: Theil and Sen look at every pair of points


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th percentile and largest, to the millisecond when in seconds."""
    if not values:
        return None
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": round(p50, 3), "p95": round(p95, 3), "max": round(max(values), 3)}


def p95_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % bootstrap interval (percentile method, fixed seed) of the 95th percentile.

    It takes values for independent; those of one call are less so, so it is rather too narrow.
    """
    if len(values) < LEAST_FOR_P95:
        return None
    drawn = np.random.default_rng(0).choice(np.asarray(values), (RESAMPLES, len(values)))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(np.percentile(drawn, 95, axis=1), [tail, 100 - tail])
    return round(float(low), 1), round(float(high), 1)


@dataclass(frozen=True, slots=True)
class Drift:
    """A slope in units a minute, and its 95 % interval.

    p: of Mann and Kendall's test, how often values that do not move would seem to, so much.
    """

    slope: float
    low: float
    high: float
    p: float


def drift(series: Sequence[Sequence[tuple[float, float]]]) -> Drift | None:
    """The slope of values over time: each series is (seconds, value) of one call, in order.

    Theil and Sen's slope, which no outlier moves, of all calls together, each about its own
    median time and value (calls differ by their jitter buffers, and one may follow another),
    thinned to BINS medians a call.
    None for fewer than LEAST_FOR_P95 points, or without any time between them.
    """
    import scipy.stats  # two seconds of a processor, which only a soak needs

    times: list[float] = []
    values: list[float] = []
    for points in series:
        if not points:
            continue
        own = np.asarray(points) - np.median(points, axis=0)
        for part in np.array_split(own, min(BINS, len(own))):
            at, value = np.median(part, axis=0).tolist()
            times.append(at / 60)
            values.append(value)
    if len(times) < LEAST_FOR_P95 or max(times) == min(times):
        return None
    slope, _, low, high = scipy.stats.theilslopes(values, times, CONFIDENCE)
    # Of values that are all the same there is no such test, and no movement.
    p = scipy.stats.kendalltau(times, values).pvalue if max(values) > min(values) else 1.0
    slope, low, high = (round(float(figure), 3) for figure in (slope, low, high))
    return Drift(slope, low, high, float(f"{p:.2g}"))
