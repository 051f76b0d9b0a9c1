"""Harm: what callers would have noticed of a run, measured on the held calls. Pure.

Each figure of the run is compared with the minute before it, on the same calls. A stall
stays in a call's jitter buffers for some twenty seconds, so the whole run is one window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from releve.probe.judgement import gates
from releve.probe.judgement.gates import Gate
from releve.probe.judgement.record import Event, kind_of

# By what an agent does: how much of the time before is compared, and the fewest answers of either.
BEFORE_SECONDS: Mapping[str, float] = {"echo": 60.0, "talks": 600.0, "listens": 60.0}
LEAST_CHIRPS = 10
LEAST_REPLIES = 3  # each costs the agent's owner a turn
BUSY_BEFORE = 0.5  # of the host's processors: what came later may as well be the neighbours'
RTT_RISE = "RTT p95 of held calls beyond that before the run"
NEW_SILENCE = "longest silence of held calls that was not there before"
REPLY_RISE = "reply p95 of held calls beyond that before the run"
NEW_GAP = "longest time without packets of held calls that was not there before"


@dataclass(frozen=True, slots=True)
class Harm:
    """Round trips (p95) and silences of held calls before and during a run, in milliseconds.

    None: fewer than LEAST_CHIRPS were heard. The new silence is the longest of the run, or 0 where
    one as long was there before. busy_before: part of the host's processors busy before the run.
    Of agents that talk: times to their replies (LEAST_REPLIES), and times without packets.
    """

    p95_before_ms: float | None
    p95_during_ms: float | None
    silence_before_ms: float
    new_silence_ms: float
    busy_before: float | None = None
    kind: str = "echo"

    @property
    def metrics(self) -> dict[str, float | None]:
        """The figures by their names in gates.yaml."""
        known = self.p95_before_ms is not None and self.p95_during_ms is not None
        rise = (self.p95_during_ms or 0) - (self.p95_before_ms or 0) if known else None
        if self.kind == "talks":
            return {REPLY_RISE: rise, NEW_GAP: self.new_silence_ms}
        return {RTT_RISE: rise, NEW_SILENCE: self.new_silence_ms}


def of(events: Iterable[Event], since: float, until: float) -> Harm | None:
    """What the record says of a run from `since` to `until`; None when no call was held.

    Calls that began with the run were alone until "before_over": until then is before the run.
    """
    ordered = sorted(events, key=lambda event: event["t"])
    if not any(event["event"] == "open" and event["kind"] == "held" for event in ordered):
        return None
    alone = [event["t"] for event in ordered if event["event"] == "before_over"]
    begins = next((at for at in alone if since <= at <= until), since)
    busy = [e.get("busy_share") for e in ordered if e["event"] == "before_over" and e["t"] <= until]
    kind = kind_of(ordered)
    before = begins - BEFORE_SECONDS[kind]
    least = LEAST_REPLIES if kind == "talks" else LEAST_CHIRPS
    silence = "no_packets" if kind == "talks" else "silence"
    earlier = _silence(ordered, silence, before, begins)
    longest = _silence(ordered, silence, begins, until)
    return Harm(
        _p95(_answers(ordered, before, begins), least),
        _p95(_answers(ordered, begins, until), least),
        earlier,
        longest if longest > earlier else 0.0,
        busy[-1] if busy else None,
        kind,
    )


def answer(harm: Harm | None, judges: Sequence[Gate]) -> tuple[str, list[str]]:
    """Pass, fail or inconclusive, and why it is no pass.

    Inconclusive where nothing was heard to compare with, or where the minute before was no better:
    it had a silence beyond the limit itself, or a host with too little left for anybody.
    """
    if harm is None:
        return "pass", []  # nobody was on the line: the gates on calls say so
    judges = gates.for_kind(judges, harm.kind)  # of an agent that only listens nothing is heard
    said = gates.failures(judges, harm.metrics)
    if not said:
        return "pass", []
    of_silences = (gate.limit for gate in judges if gate.metric in (NEW_SILENCE, NEW_GAP))
    limit = next(of_silences, float("inf"))
    if harm.p95_before_ms is None or harm.p95_during_ms is None:
        what = "replies" if harm.kind == "talks" else "chirps"
        unsure = f"too few {what} were heard, before the run or in it"
    elif harm.silence_before_ms >= limit:
        how = "without packets" if harm.kind == "talks" else "silent"
        unsure = f"held calls were {how} for {harm.silence_before_ms:.0f} ms before the run, too"
    elif harm.busy_before is not None and harm.busy_before >= BUSY_BEFORE:
        unsure = f"the host was {harm.busy_before:.0%} busy before the run"
    else:
        return "fail", said
    return "inconclusive", [unsure, *said]


def _answers(events: Iterable[Event], since: float, until: float) -> list[float]:
    """Round trips and reply times, of what was said in the window."""
    found: list[float] = []
    for event in events:
        if (
            event["event"] in ("rtt", "reply")
            and since <= float(event.get("at") or event["t"]) < until
        ):
            found += event["ms"] if event["event"] == "rtt" else [event["ms"]]
    return found


def _silence(events: Iterable[Event], name: str, since: float, until: float) -> float:
    """The longest of the events of that name that began in the window."""
    told = (event for event in events if event["event"] == name)
    began = [(event["t"] - event["ms"] / 1000, float(event["ms"])) for event in told]
    return max((ms for at, ms in began if since <= at < until), default=0.0)


def _p95(values: Sequence[float], least: int) -> float | None:
    if len(values) < least:
        return None
    return round(quantiles(values, n=20, method="inclusive")[-1], 1)
