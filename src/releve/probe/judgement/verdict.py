"""A probe object of report.json: what a suite measured, judged by its gates. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from releve.probe.judgement import gates, statistics
from releve.probe.judgement.gates import Gate


def percentiles(rtts_ms: Sequence[float]) -> dict[str, float] | None:
    """p50, p95 and p99 of round trips, in milliseconds."""
    if not rtts_ms:
        return None
    p50, p95, p99 = np.percentile(rtts_ms, [50, 95, 99]).round(1).tolist()
    return {"p50": p50, "p95": p95, "p99": p99}


def of(
    name: str,
    colour: str,
    judges: Sequence[Gate],
    metrics: Mapping[str, float | None],
    went_wrong: Sequence[str],
    *,
    sent: int,
    valid: int,
    rtts_ms: Sequence[float] = (),
    floor_rtt_ms: float | None = None,
    longest_silence_ms: float | None = None,
    unsure: str | None = None,
) -> dict[str, Any]:
    """The fields that every suite's object has; a suite adds its own.

    It passes when nothing `went_wrong` (sentences) and every gate holds on the `metrics`. A gate
    that does not hold is no failure where the suite is `unsure` of it (why): it is inconclusive.
    `sent` and `valid` count what the suite counts: chirps, calls, sentences.
    """
    said = [*went_wrong, *gates.failures(judges, metrics)]
    answer = "pass" if not said else "fail"
    if said and unsure is not None and not went_wrong:
        answer, said = "inconclusive", [unsure, *said]
    return {
        "name": name,
        "colour": colour,
        "sent": sent,
        "valid": valid,
        "rtt_ms": percentiles(rtts_ms),
        "rtt_p95_interval_ms": statistics.p95_interval(rtts_ms),
        "floor_rtt_ms": floor_rtt_ms,
        "longest_silence_ms": longest_silence_ms,
        "gate": {gate.key: gate.limit for gate in judges},
        "gates": [gate.judged(metrics) for gate in judges],
        "answer": answer,
        "passed": answer == "pass",
        "reason": "; ".join(said) or None,
    }
