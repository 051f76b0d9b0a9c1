"""The load suite: more and more calls at once, until a gate breaks.

A stage is a number of calls held together while each says its chirps; then more are added. A
stage that breaks a gate is repeated once. The largest stage that passed is the host's capacity,
the probe's own load included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from releve.probe.caller.join import Server
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.host.usage import HostUsage, UsageMeter
from releve.probe.judgement import gates, verdict
from releve.probe.judgement.gates import Gate
from releve.probe.judgement.latency import RTT_P95
from releve.probe.judgement.statistics import LEAST_FOR_P95
from releve.probe.suites.callers import Callers, Stage
from releve.probe.suites.echo import SETTLE_SECONDS

HELD = "concurrent calls held"  # the metric that gates name; the others judge each stage
ATTEMPTS = 2  # at a stage that breaks: a host that starts processes just then delays the best agent


@dataclass(frozen=True, slots=True)
class Ramp:
    """Every stage in order, the greatest that held, and why the last did not hold (or None)."""

    stages: list[Stage]
    held: Stage | None
    broke: str | None


async def run(
    server: Server,
    name: str,
    colour: str,
    judges: Sequence[Gate],
    tell: Callable[[str], None],
    *,
    calls: int,
    step: int,
    chirps: int,
    seconds: float,
) -> dict[str, Any]:
    """Raise to `calls` by `step`; no stage begins after `seconds`. `tell` is called per stage.

    Returns the probe object of report.json. Raises ServerError when the first calls are not let
    in.
    """
    meter, watch, callers = OwnCostMeter(), UsageMeter(), Callers(server, "load", chirps)
    await asyncio.sleep(SETTLE_SECONDS)
    idle = watch.read()
    deadline = asyncio.get_running_loop().time() + seconds
    over = lambda: asyncio.get_running_loop().time() >= deadline  # noqa: E731
    try:
        ramp = await climb(callers.stage, judges, tell, calls=calls, step=step, over=over)
    finally:
        await callers.close()
    cpu_s = meter.read(0)["cpu_s"]
    return probe_object(name, colour, ramp, idle, judges, cpu_s)


async def climb(
    measure: Callable[[int], Awaitable[Stage]],
    judges: Sequence[Gate],
    tell: Callable[[str], None],
    *,
    calls: int,
    step: int,
    over: Callable[[], bool],
) -> Ramp:
    """Measure stage after stage until one breaks ATTEMPTS times, `calls` is held, or it is over."""
    stages: list[Stage] = []
    held, broke, attempts = None, None, 0
    while attempts < ATTEMPTS and (held is None or held.calls < calls) and not (stages and over()):
        wanted = min(step if held is None else held.calls + step, calls)
        stages.append(await measure(wanted))
        broke = why_broken(stages[-1], judges)
        tell(f"{wanted} calls: {broke or 'held'}")
        if broke is None:
            held, attempts = stages[-1], 0
        else:
            attempts += 1
    return Ramp(stages, held, broke)


def why_broken(stage: Stage, judges: Sequence[Gate]) -> str | None:
    """What did not hold in a stage, as sentences, or None."""
    each = [gate for gate in judges if gate.metric != HELD]
    return "; ".join([*stage.failures, *gates.failures(each, _metrics(stage))]) or None


def probe_object(
    name: str,
    colour: str,
    ramp: Ramp,
    idle: HostUsage,
    judges: Sequence[Gate],
    cpu_s: float | None,
) -> dict[str, Any]:
    """Judge the ramp: pure. The figures are those of the greatest stage that held; `cpu_s` is what
    the probe took for all of them.

    Where none held they are of the last one, and say why.
    """
    best = ramp.held or ramp.stages[-1]
    held = 0 if ramp.held is None else ramp.held.calls
    judged = verdict.of(
        name,
        colour,
        judges,
        _metrics(best) | {HELD: float(held)},
        [] if ramp.held is not None else best.failures,
        sent=best.sent,
        valid=len(best.rtts_ms),
        rtts_ms=best.rtts_ms,
    )
    load: dict[str, Any] = {
        "held": held,
        "broke": ramp.broke and f"at {ramp.stages[-1].calls} calls: {ramp.broke}",
        "host_cores_per_call": None,
        "host_memory_bytes_per_call": None,
        "stages": [asdict(stage) for stage in ramp.stages],
    }
    if ramp.held is not None and ramp.held.host is not None:
        spent = ramp.held.host
        load["host_cores_per_call"] = round((spent.cores - idle.cores) / held, 3)
        load["host_memory_bytes_per_call"] = round((spent.memory_bytes - idle.memory_bytes) / held)
    cost = {"cpu_s": cpu_s, "cores_per_call": best.cores_per_call}
    return judged | {"load": load, "cost": cost, "calls": [{"rtts_ms": best.rtts_ms}]}


def _metrics(stage: Stage) -> dict[str, float | None]:
    enough = len(stage.rtts_ms) >= LEAST_FOR_P95
    round_trip = verdict.percentiles(stage.rtts_ms) if enough else None
    return {
        "valid fraction of chirps": len(stage.rtts_ms) / stage.asked if stage.asked else None,
        RTT_P95: round_trip["p95"] if round_trip else None,
    }
