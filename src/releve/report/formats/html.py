"""report.html: one page without scripts or external resources."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from releve.probe.judgement import gates
from releve.report.evidence import Evidence
from releve.report.formats import words
from releve.report.formats.timeline import Timeline, place
from releve.report.schema import Gate, Probe, ProbeCall, Report, RoundTrip

RTT_LIMIT_MS = 200.0
_PLOT_HEIGHT = 180
_LOG_LINES = 60


@dataclass(frozen=True, slots=True)
class GateRow:
    """A gate, the probe that it judges, and the file with the figure."""

    by: str
    gate: Gate
    evidence: str | None


@dataclass(frozen=True, slots=True)
class RttRow:
    """A row of the distribution: all round trips of one colour in a probe."""

    name: str
    colour: str
    rtts_ms: list[float]
    rtt_ms: RoundTrip | None
    floor_ms: float | None


def render(report: Report, evidence: Evidence) -> str:
    """Returns the whole page. Everything that came from evidence is escaped."""
    timeline, probes = place(evidence), report.probes or []
    floors = [probe.floor_rtt_ms for probe in probes if probe.floor_rtt_ms is not None]
    limits = [
        probe.gate["rtt_p95_ms_max"]
        for probe in probes
        if probe.gate and "rtt_p95_ms_max" in probe.gate
    ]
    limit = min(limits, default=RTT_LIMIT_MS)
    rows = _rtt_rows(probes)
    heard = [sample.ms for sample in timeline.samples] + [ms for row in rows for ms in row.rtts_ms]
    top = _scale_end(heard, limit)
    template = _environment().get_template("template.html.j2")
    return template.render(
        report=report,
        evidence=evidence,
        timeline=timeline,
        axis=_axis(timeline),
        dots=_dots(timeline, top),
        top=top,
        limit=limit,
        floor=min(floors, default=None),
        height=_PLOT_HEIGHT,
        scale=list(range(0, int(top) + 1, _scale_step(top))),
        rows=rows,
        gates=_gate_rows(report),
        words=words,
        log_lines=_LOG_LINES,
    )


def _rtt_rows(probes: list[Probe]) -> list[RttRow]:
    """Probes with round trips; each is followed by the colour that it was compared with."""
    rows = []
    for probe in probes:
        name, floor = probe.name, probe.floor_rtt_ms
        rows.append(RttRow(name, probe.colour, _rtts(probe.calls), probe.rtt_ms, floor))
        if (beside := probe.compared) is not None:
            rows.append(
                RttRow(name, words.other(probe.colour), _rtts(beside.calls), beside.rtt_ms, None)
            )
    return [row for row in rows if row.rtts_ms]


def _rtts(calls: list[ProbeCall]) -> list[float]:
    return sorted(ms for call in calls for ms in call.rtts_ms)


def _gate_rows(report: Report) -> list[GateRow]:
    """Every gate of the run. The gates on calls are evaluated again, with default limits."""
    rows = [
        GateRow(f"{probe.name} · {probe.colour}", gate, probe.evidence)
        for probe in report.probes or ()
        for gate in probe.gates
    ]
    if report.calls is not None:
        metrics = report.calls.model_dump()
        for gate in gates.for_kind(gates.of("calls"), report.calls.agent_kind):
            judged = Gate.model_validate(gate.judged(metrics))
            rows.append(GateRow("calls", judged, "evidence/sentinels.jsonl"))
    return rows


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("releve.report.formats", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["pct"] = _pct
    environment.filters["width"] = _width
    environment.filters["clock"] = _clock
    return environment


def _pct(value: float, whole: float) -> Markup:
    """A position as a percentage of the axis, clamped to it."""
    return Markup(f"{min(max(value / whole, 0), 1) * 100:.3f}%")  # noqa: S704 - a number


def _width(value: float, whole: float) -> Markup:
    """A length as a percentage of the axis, with a visible minimum."""
    return Markup(f"{min(max(value / whole * 100, 0.4), 100):.3f}%")  # noqa: S704 - a number


def _clock(value: float) -> str:
    """A moment on the axis: `45 s`, `1:30`."""
    whole = round(value)
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02d}"


def _axis(timeline: Timeline) -> list[float]:
    """At most six ticks at round values."""
    for step in (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600):
        if timeline.length / step <= 5:
            return [float(at) for at in range(0, int(timeline.length) + 1, step)]
    return [0.0, timeline.length]


def _scale_end(heard: list[float], limit: float) -> float:
    """The end of the RTT scale, beyond the limit and the largest value."""
    return float(ceil(max([limit * 1.2, *heard]) / 50) * 50)


def _scale_step(top: float) -> int:
    return next((step for step in (50, 100, 200, 500, 1000) if top / step <= 5), ceil(top / 5))


def _dots(timeline: Timeline, top: float) -> list[tuple[str, str, float]]:
    """(tint, x as percentage, y in pixels) of the round trips.

    Equal places are drawn once: that bounds the page whatever the run's length, and hides no
    outlier.
    """
    places = {
        (
            sample.tint,
            f"{sample.at / timeline.length * 100:.1f}%",
            round(_PLOT_HEIGHT * (1 - sample.ms / top)),
        )
        for sample in timeline.samples
    }
    return sorted(places)
