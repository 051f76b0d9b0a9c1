"""The soak suite: calls held for a long time, and what changed while they were.

It is the hold suite without arrivals, judged by its record.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from releve.probe.caller.join import Server
from releve.probe.host import container_memory
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import record, statistics, verdict
from releve.probe.judgement.gates import Gate
from releve.probe.suites import hold
from releve.probe.suites.held.plan import Plan as HoldPlan

WEIGH_SECONDS = 2.0
MEMORY = "growth of the agent's memory, lower end of its 95 % interval"  # a gate's metric


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls, for how many seconds, and the cgroup of the agent's container.

    Without one its memory is neither measured nor judged.
    """

    calls: int
    seconds: float
    cgroup: Path | None = None


async def run(
    server: Server,
    name: str,
    colour: str,
    judges: Sequence[Gate],
    path: Path,
    tell: Callable[[str], None],
    plan: Plan,
) -> dict[str, Any]:
    """Hold calls (SIGTERM ends it sooner), and return the probe object.

    The record is appended to `path`; only this run's part of it is judged. `tell` is called
    with a progress line.
    Raises ServerError, OSError, and ValueError for a file that is no record.
    """
    earlier = _lines(path)
    meter = OwnCostMeter()
    weighing = (
        asyncio.create_task(_record_memory(plan.cgroup, path, plan.seconds))
        if plan.cgroup
        else None
    )
    try:
        await hold.run(server, path, HoldPlan(plan.calls, None, 0.0, plan.seconds), tell)
    finally:
        if weighing is not None:
            weighing.cancel()
    cost = meter.read(plan.calls)
    if plan.cgroup is None:
        judges = [gate for gate in judges if gate.metric != MEMORY]
    events = record.read(path)[earlier:]
    return probe_object(name, colour, events, judges, cost, asked=plan.calls)


def probe_object(
    name: str,
    colour: str,
    events: Sequence[record.Event],
    judges: Sequence[Gate],
    cost: dict[str, float | None],
    *,
    asked: int,
) -> dict[str, Any]:
    """Judge a record: pure, from evidence to the probe object."""
    by_call: dict[str, list[record.Event]] = defaultdict(list)
    for event in events:
        if "call" in event:
            by_call[event["call"]].append(event)
    calls = [_call(room, told) for room, told in by_call.items()]
    series = [_series(told) for told in by_call.values()]
    rtts = [ms for points in series for _, ms in points]
    sent = sum(call["sent"] for call in calls)
    drift, weighed = statistics.drift(series), memory_of(events)
    silence = max((call["longest_silence_ms"] for call in calls), default=None)
    metrics: dict[str, float | None] = {
        "valid fraction of chirps": len(rtts) / sent if sent else None,
        "dropped": sum(call["dropped"] for call in calls),
        "reconnects": sum(call["reconnects"] for call in calls),
        "longest silence": silence if rtts else None,
        "RTT drift, upper end of its 95 % interval": None if drift is None else drift.high,
        MEMORY: weighed["mb_per_min"]["low"] if weighed and weighed["mb_per_min"] else None,
    }
    heard = sum(bool(points) for points in series)
    said = [call["failure"] for call in calls if call["failure"] is not None]
    said += [event["why"] for event in events if event["event"] == "memory_gone"]
    if heard < asked:
        said.append(f"{heard} of {asked} calls heard their echo")
    judged = verdict.of(
        name,
        colour,
        judges,
        metrics,
        said,
        sent=sent,
        valid=len(rtts),
        rtts_ms=rtts,
        longest_silence_ms=silence,
    )
    return judged | {
        "drift_ms_per_min": None if drift is None else asdict(drift),
        "memory": weighed,
        "cost": cost,
        "calls": calls,
    }


def memory_of(events: Iterable[record.Event]) -> dict[str, Any] | None:
    """What the agent's memory did while every call was heard; None when it was not looked at."""
    points: list[tuple[float, float]] | None = None
    for event in events:
        if event["event"] == "memory" and points is not None:
            points.append((event["t"], event["bytes"] / 1e6))
        elif event["event"] == "ready":  # before, the agent was starting their jobs
            points = []
    if not points:
        return None
    growth = statistics.drift([points])
    return {
        "first_bytes": round(points[0][1] * 1e6),
        "last_bytes": round(points[-1][1] * 1e6),
        "mb_per_min": None if growth is None else asdict(growth),
    }


async def _record_memory(cgroup: Path, path: Path, seconds: float) -> None:
    """Record the agent's memory until the calls end, or until it cannot be read any more."""
    until = time.monotonic() + seconds
    with record.Recorder(path) as recorder:
        while time.monotonic() < until:
            try:
                recorder.write("memory", bytes=container_memory.used(cgroup))
            except OSError as error:
                why = f"the agent's memory cannot be read any more: {error.strerror}"
                recorder.write("memory_gone", why=why)
                return
            await asyncio.sleep(WEIGH_SECONDS)


def _lines(path: Path) -> int:
    return len(record.read(path)) if path.exists() else 0


def _call(room: str, told: list[record.Event]) -> dict[str, Any]:
    """One call's figures, as the record has them."""
    counts = [event["event"] for event in told]
    failures = {"no_agent": "no agent came to", "two_agents": "two agents in"}
    failure = next((f"{text} {room}" for what, text in failures.items() if what in counts), None)
    why = next((event["why"] for event in told if event["event"] == "dropped"), None)
    return {
        "room": room,
        "sent": sum(event["said"] for event in told if event["event"] == "rtt"),
        "rtts_ms": [ms for _, ms in _series(told)],
        "dropped": counts.count("dropped"),
        "reconnects": counts.count("reconnecting"),
        "longest_silence_ms": max((e["ms"] for e in told if e["event"] == "silence"), default=0.0),
        "failure": failure if why is None else f"{room} was dropped: {why}",
    }


def _series(told: list[record.Event]) -> list[tuple[float, float]]:
    """(seconds, milliseconds) of each round trip, when it was written down."""
    return [(event["t"], ms) for event in told if event["event"] == "rtt" for ms in event["ms"]]
