"""Steps, flip, calls and round trips of a run on one time axis, in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from releve.report.build import window
from releve.report.evidence import Event, Evidence, Job

Tint = str  # "blue", "green", or "none" when no job of the gateway tells


@dataclass(frozen=True, slots=True)
class Band:
    """One step."""

    name: str
    start: float
    seconds: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a call served by one colour."""

    start: float
    end: float
    tint: Tint


@dataclass(frozen=True, slots=True)
class Gap:
    """A silence of `ms` in a held call."""

    start: float
    end: float
    ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A violation: a dropped call, a room without agent or with two."""

    at: float
    what: str


@dataclass(slots=True)
class Bar:
    """One call; `kind` is held, arrival, or other (a call that is not a sentinel's)."""

    room: str
    kind: str
    start: float
    end: float
    lane: int = 0
    segments: list[Segment] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sample:
    """One round trip of a held call."""

    at: float
    ms: float
    tint: Tint


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything that the page draws on the time axis, from 0 to `length` seconds."""

    length: float
    bands: list[Band]
    flip_at: float | None
    bars: list[Bar]
    lanes: int
    samples: list[Sample]
    colours_known: bool


def place(evidence: Evidence) -> Timeline:
    """Place the evidence on one axis that starts with the first step. Pure.

    Steps are on the control node's clock and calls on the target's; run.json holds both for
    one moment. Without both the calls have no place on the axis and are left out.
    """
    steps, run, span = evidence.steps or [], evidence.run, window(evidence)
    clock = run.control_monotonic if run else None
    zero = min([line.started for line in steps] + ([] if clock is None else [clock]), default=0.0)
    length = max((line.started + line.seconds - zero for line in steps), default=0.0)
    bars: list[Bar] = []
    samples: list[Sample] = []
    flip_at = None
    if run is not None and span is not None and clock is not None:
        target_zero = run.monotonic - (clock - zero)
        length = max(length, span[1] - target_zero)
        jobs, events = _by_room(evidence.jobs or []), [*(evidence.events or ()), *evidence.soaked]
        bars = _assign_lanes(_bars(events, jobs, target_zero, length), length)
        samples = _samples(events, jobs, target_zero, length)
        if evidence.flip and evidence.flip.at is not None:
            flip_at = evidence.flip.at - target_zero
    return Timeline(
        length=max(length, 1.0),
        bands=[Band(line.name, line.started - zero, line.seconds, line.outcome) for line in steps],
        flip_at=flip_at,
        bars=bars,
        lanes=max((bar.lane + 1 for bar in bars), default=0),
        samples=samples,
        colours_known=bool(evidence.jobs),
    )


def _by_room(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    rooms: dict[str, list[Job]] = {}
    for job in jobs:
        if job.started is not None:
            rooms.setdefault(job.room, []).append(job)
    return rooms


def _bars(events: list[Event], jobs: dict[str, list[Job]], zero: float, length: float) -> list[Bar]:
    """One bar per open call; bystanders' calls are known by their jobs only."""
    bars: list[Bar] = []
    latest: dict[str, Bar] = {}
    for event in events:
        at, room = event.t - zero, event.call
        if room is None:
            continue
        if event.event == "open":
            latest[room] = Bar(room, event.kind or "held", at, length)
            bars.append(latest[room])
            continue
        bar = latest.get(room)
        if bar is None:
            continue
        if event.event == "silence" and isinstance(event.ms, float):
            bar.gaps.append(Gap(at - event.ms / 1000, at, event.ms))
        elif event.event in ("dropped", "two_agents", "no_agent"):
            bar.marks.append(Mark(at, event.event.replace("_", " ")))
        if event.event in ("dropped", "closed"):
            bar.end = min(bar.end, at)
    sentinels = set(latest)
    for room, served in jobs.items():
        if room not in sentinels:
            start = min(job.started or 0.0 for job in served)
            open_still = any(job.ended is None for job in served)
            end = length if open_still else max(job.ended or 0.0 for job in served) - zero
            bars.append(Bar(room, "other", start - zero, end))
    for bar in bars:
        bar.segments = _segments(bar, jobs.get(bar.room, []), zero)
    return bars


def _segments(bar: Bar, jobs: list[Job], zero: float) -> list[Segment]:
    """Cut a bar at its jobs; without a job at the gateway a segment has no colour."""
    segments, at = [], bar.start
    for job in sorted(jobs, key=lambda job: job.started or 0.0):
        start = max((job.started or 0.0) - zero, bar.start)
        end = bar.end if job.ended is None else min(job.ended - zero, bar.end)
        if end <= start:
            continue
        if start > at:
            # Between opening the room and its job the agent is being dispatched.
            segments.append(Segment(at, start, "none"))
        segments.append(Segment(start, end, job.colour or "none"))
        at = max(at, end)
    if at < bar.end:
        segments.append(Segment(at, bar.end, "none"))
    return segments


def _assign_lanes(bars: list[Bar], length: float) -> list[Bar]:
    """Cut bars to the axis and give each a lane in which no other call is open."""
    order = {"held": 0, "arrival": 1, "other": 2}
    shown = [bar for bar in bars if bar.end > 0 and bar.start < length]
    lanes: list[tuple[str, float]] = []
    for bar in sorted(shown, key=lambda bar: (order[bar.kind], bar.start)):
        for lane, (kind, free) in enumerate(lanes):
            if kind == bar.kind and free <= bar.start:
                bar.lane = lane
                lanes[lane] = (kind, bar.end)
                break
        else:
            bar.lane = len(lanes)
            lanes.append((bar.kind, bar.end))
    return shown


def _samples(
    events: list[Event], jobs: dict[str, list[Job]], zero: float, length: float
) -> list[Sample]:
    samples = []
    for event in events:
        if event.event != "rtt" or not isinstance(event.ms, list):
            continue
        if not 0 <= event.t - zero <= length:
            continue
        serving = [
            job.colour
            for job in jobs.get(event.call or "", [])
            if (job.started or 0.0) <= event.t and (job.ended is None or event.t <= job.ended)
        ]
        tint = serving[-1] or "none" if serving else "none"
        samples += [Sample(event.t - zero, value, tint) for value in event.ms]
    return samples
