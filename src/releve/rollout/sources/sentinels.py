"""The sentinels' record, followed line by line, and what the gates say of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from releve.probe.judgement import gates, harm
from releve.probe.judgement import record as records
from releve.probe.judgement.gates import Gate
from releve.probe.judgement.record import Event
from releve.rollout.plan import Plan
from releve.rollout.sources.figures import Arrival
from releve.rollout.state import Answer, Answered

HARM_SECONDS = 300.0
"""The latest part of a rollout by which harm is judged: in a long bake the hours before would
outvote what people hear now."""
LEAST_SECONDS = 60.0
"""As long as the minute before the run: a rise of round trips in less may be one stall."""


LASTING = ("silence", "no_packets")
"""Events that tell of a time which ends with them, `ms` long."""


class Tail:
    """Whole lines that were appended to a file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._file: tuple[int, int] | None = None

    def lines(self) -> list[bytes]:
        """Raises OSError. A file that was replaced or cut is read from its beginning."""
        with self._path.open("rb") as file:
            now = os.fstat(file.fileno())
            if self._file != (now.st_dev, now.st_ino) or now.st_size < self._read:
                self._file, self._read = (now.st_dev, now.st_ino), 0
            file.seek(self._read)
            news = file.read()
        whole = news[: news.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()


class Sentinels:
    """Follows the record; `look` gives the answers of the gates `record`, `calls` and `harm`."""

    def __init__(self, plan: Plan, since: float) -> None:
        """`since`: monotonic seconds from which the record counts."""
        self._since = since
        self._path = plan.record
        self._tail = Tail(plan.record)
        self._age = plan.limits.gate("record_age_s_max")
        self._judges = {"calls": plan.limits.gates("calls"), "harm": plan.limits.gates("harm")}
        self._told: list[Event] = []  # all but round trips: few, and kept to the end
        self._rtts: list[Event] = []
        self._last: float | None = None
        self._trouble: str | None = None
        self._answers: dict[str, Answer] = {}

    def look(self, now: float) -> dict[str, Answer]:
        """What the gates say at monotonic second `now`."""
        told = len(self._told)
        news = self._take_in()
        if len(self._told) > told or "calls" not in self._answers:
            self._answers["calls"] = self._calls(now)
        if news or "harm" not in self._answers:
            self._answers["harm"] = self._harm(now)
        return {"record": self._alive(now), **self._answers}

    def arrivals(self) -> list[Arrival]:
        """New rooms of ours that got an agent, and how long its audio took."""
        opened, came = dict[str, float](), dict[str, float]()
        for event in self._told:
            if event["event"] == "open" and event["kind"] == "arrival":
                opened[event["call"]] = event["t"]
            elif event["event"] == "agent" and event["call"] in opened:
                came.setdefault(event["call"], event["t"])
        return [Arrival(room, opened[room], at - opened[room]) for room, at in came.items()]

    def _take_in(self) -> bool:
        """Read what is new; returns whether anything is."""
        try:
            lines = self._tail.lines()
        except OSError as error:
            self._trouble = f"{self._path}: {error.strerror}"
            return False
        self._trouble = None
        for line in lines:
            try:
                event = json.loads(line)
                (self._rtts if event["event"] == "rtt" else self._told).append(event)
                self._last = event["t"]
            except (ValueError, KeyError, TypeError):
                self._trouble = f"{self._path} has a line that is no event"
        return bool(lines)

    def _alive(self, now: float) -> Answer:
        age = None if self._last is None else round(now - self._last, 1)
        said = gates.failures([self._age], {self._age.metric: age})
        if self._trouble is not None:
            said = [self._trouble]
        return Answer("fail" if said else "pass", tuple(said), {"age_s": age})

    def _calls(self, now: float) -> Answer:
        found = records.summarise(self._told, self._since, now)
        judges = gates.for_kind(self._judges["calls"], found["agent_kind"])
        said = gates.failures(judges, cast(dict[str, float | None], found))
        return Answer("fail" if said else "pass", tuple(said), dict(found))

    def _harm(self, now: float) -> Answer:
        """By the minute before the run and the latest part of it."""
        begins = self._begins(now)
        before = begins - harm.BEFORE_SECONDS[records.kind_of(self._told)]
        recent = max(begins, now - HARM_SECONDS)

        def counts(event: Event) -> bool:
            at = _at(event)
            return before <= at < begins or at >= recent

        self._rtts = [event for event in self._rtts if counts(event)]
        told = [event for event in self._told if event["event"] not in LASTING or counts(event)]
        found = harm.of([*told, *self._rtts], self._since, now)
        judges = self._judges["harm"]
        answer, said = harm.answer(found, judges)
        if answer == "fail" and now - recent < LEAST_SECONDS and not _silent(judges, found):
            answer = "inconclusive"
            said = [f"only {now - recent:.0f} of {LEAST_SECONDS:g} s were heard", *said]
        figures = {} if found is None else found.metrics
        return Answer(cast(Answered, answer), tuple(said), figures)

    def _begins(self, now: float) -> float:
        """When the sentinels were no longer alone: harm compares with what was before."""
        over = (event["t"] for event in self._told if event["event"] == "before_over")
        return next((at for at in over if self._since <= at <= now), self._since)


def _at(event: Event) -> float:
    """When what the event tells of began: a chirp was said, a silence set in."""
    if event["event"] in LASTING:
        return float(event["t"] - event["ms"] / 1000)
    return float(event.get("at") or event["t"])


def _silent(judges: Iterable[Gate], found: harm.Harm | None) -> bool:
    if found is None:
        return False
    lasting = (harm.NEW_SILENCE, harm.NEW_GAP)
    judges = [gate for gate in gates.for_kind(judges, found.kind) if gate.metric in lasting]
    return bool(gates.failures(judges, found.metrics))
