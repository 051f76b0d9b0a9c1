"""The latency gate's figures: the agent's own share of a round trip, beside the floor. Pure.

A round trip is the floor (caller, server, network and host) and what the agent adds. Both are
measured in the same minutes, so a host that is slow for everybody is not taken for a slow agent.
Where it is too busy to tell, there is no answer: neither a pass nor a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from releve.probe.judgement.gates import Gate
from releve.probe.judgement.statistics import LEAST_FOR_P95

RTT_P95 = "RTT p95"  # metrics that gates name
OWN_SHARE = "agent's own share of RTT p95"
BUSY = 0.9  # of the host's processors: what is measured then is the host


def metrics(rtts_ms: Sequence[float], floor_ms: Sequence[float]) -> dict[str, float | None]:
    """Round trip and own share at the 95th percentile; None of fewer than LEAST_FOR_P95 values."""
    rtt, floor = _p95(rtts_ms), _p95(floor_ms)
    share = None if rtt is None or floor is None else round(rtt - floor, 1)
    return {RTT_P95: rtt, OWN_SHARE: share}


def unsure(
    judges: Sequence[Gate],
    metrics: Mapping[str, float | None],
    floor_ms: Sequence[float],
    busy_share: float | None,
) -> str | None:
    """Why the latency gates cannot tell although one of them does not hold; None when they can.

    `busy_share`: of the host's processors while the calls were measured, if known.
    """
    gates = {gate.metric: gate for gate in judges if gate.metric in (RTT_P95, OWN_SHARE)}
    failed = {name for name, gate in gates.items() if gate.failure(metrics) is not None}
    if not failed or any(g.failure(metrics) for g in judges if g.metric not in gates):
        return None
    if busy_share is not None and busy_share >= BUSY:
        return f"the host was {busy_share:.0%} busy, too busy to tell: try again when it is quieter"
    floor = _p95(floor_ms)
    if OWN_SHARE in gates and floor is None:
        return "the floor was not heard, so nobody can tell what of the round trip is the agent's"
    if failed == {RTT_P95} and OWN_SHARE in gates and floor is not None:
        room, share = gates[RTT_P95].limit - floor, gates[OWN_SHARE].limit
        if room < share:
            return (
                f"without any agent a round trip takes {floor:.0f} ms here (p95), which leaves "
                f"{max(room, 0):.0f} ms of {gates[RTT_P95].limit:g}: too busy a host to tell"
            )
    return None


def _p95(values: Sequence[float]) -> float | None:
    if len(values) < LEAST_FOR_P95:
        return None
    return round(float(np.percentile(values, 95)), 1)
