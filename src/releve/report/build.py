"""Builds the report from the evidence. Pure; `evidence` reads the files."""

from __future__ import annotations

import re

from releve.probe.judgement import harm
from releve.probe.judgement.record import summarise
from releve.report.evidence import Evidence
from releve.report.schema import Calls, Flip, Harm, Report, Rollback, Run, Step

_RUN_ID = re.compile(r"^\d{8}T\d{6}Z-(?P<verb>.+)-[0-9a-f]{4}$")

# Calls that are held say something every few seconds.
_QUIET_SECONDS = 30.0


def build(evidence: Evidence) -> Report:
    """Put the report together. Pure; what the evidence does not hold is null."""
    return Report(
        run=_run(evidence),
        versions=evidence.versions,
        harm=_harm(evidence),
        calls=_calls(evidence),
        flip=Flip(ms=evidence.flip.ms, count=evidence.flip.count) if evidence.flip else None,
        rollback=_rollback(evidence),
        probes=evidence.probes,
        backup=evidence.backup,
        steps=[
            Step(name=line.name, seconds=line.seconds, outcome=line.outcome)
            for line in evidence.steps
        ]
        if evidence.steps
        else None,
    )


def _rollback(evidence: Evidence) -> Rollback | None:
    """Duration of the rollback step, from its first task to its last."""
    took = [
        line.seconds
        for line in evidence.steps or ()
        if ") ROLLBACK" in line.name and line.outcome != "skipped"
    ]
    return Rollback(seconds=round(sum(took), 3)) if took else None


def window(evidence: Evidence) -> tuple[float, float] | None:
    """Start and end of the run on the target's clock, or None without run.json.

    A run that never ended lasts as long as the sentinels' record of it.
    """
    run, end = evidence.run, evidence.end
    if run is None:
        return None
    if end is not None and end.monotonic is not None:
        return run.monotonic, end.monotonic
    ended = end.control_monotonic if end is not None else None
    if ended is not None and run.control_monotonic is not None:
        return run.monotonic, run.monotonic + ended - run.control_monotonic
    return run.monotonic, max((event.t for event in evidence.events or ()), default=run.monotonic)


def _run(evidence: Evidence) -> Run:
    run, end = evidence.run, evidence.end
    named = _RUN_ID.match(evidence.run_id)
    return Run(
        id=run.id if run else evidence.run_id,
        verb=run.verb if run else named["verb"] if named else None,
        started=run.started if run else None,
        seconds=end.seconds if end else None,
        verdict=end.verdict if end else None,
        reason=end.reason if end else None,
    )


def _calls(evidence: Evidence) -> Calls | None:
    span = window(evidence)
    if span is None or not evidence.events:
        return None
    if max(event.t for event in evidence.events) < span[0] - _QUIET_SECONDS:
        return None  # what an earlier run left: nobody is on the line any more
    events = [event.model_dump(exclude_unset=True) for event in evidence.events]
    sized = [event["why"] for event in events if event["event"] == "sized"]
    summary = summarise(events, *span)
    rooms, wrong = summary["opened_during_run"], summary["without_agent"]
    return Calls(
        **summary,
        held_why=sized[-1] if sized else None,
        failure_rate_at_most=round(1 - 0.05 ** (1 / rooms), 4) if rooms and not wrong else None,
    )


def _harm(evidence: Evidence) -> Harm | None:
    span = window(evidence)
    if span is None or not evidence.events:
        return None
    found = harm.of([event.model_dump(exclude_unset=True) for event in evidence.events], *span)
    if found is None:
        return None
    return Harm(
        bystander_p95_before_ms=found.p95_before_ms,
        during_ms=found.p95_during_ms,
        longest_new_silence_ms=found.new_silence_ms,
        kind=found.kind,
    )
