"""The sentinels' record: JSON lines, one per event, and a summary of a window of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from types import TracebackType
from typing import Any, TextIO, TypedDict

Event = dict[str, Any]


class Summary(TypedDict):
    """`report.json`'s "calls": counts of calls, and milliseconds for times.

    reply: of an echo the round trip. answered_fraction: of sentences said to an agent that talks.
    """

    sentinels: int
    dropped: int
    longest_silence_ms: float
    opened_during_run: int
    without_agent: int
    with_two_agents: int
    agent_kind: str
    reply_p50_ms: float | None
    reply_p95_ms: float | None
    answered_fraction: float | None
    greeted_again: int
    longest_without_packets_ms: float
    connection_losses: int


class Recorder:
    """Appends one JSON object a line, each flushed, stamped with time.monotonic() seconds.

    The file is created with mode 0644, whatever the umask: another user on the host copies it.
    Raises OSError from the constructor when the file cannot be opened for appending.
    """

    def __init__(self, path: Path) -> None:
        new = not path.exists()
        self._file: TextIO = path.open("a", encoding="utf-8")
        if new:
            path.chmod(0o644)

    def write(self, event: str, **fields: object) -> None:
        self._file.write(json.dumps({"t": round(time.monotonic(), 4), "event": event, **fields}))
        self._file.write("\n")
        self._file.flush()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def read(path: Path) -> list[Event]:
    """Read a record; a last line cut short by a crash is left out, any other bad line raises."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines.pop()
    return [json.loads(line) for line in lines]


def kind_of(events: Iterable[Event]) -> str:
    """What the agent of a record's calls does; records from before there were kinds tell none."""
    kinds = [event["agent_kind"] for event in events if "agent_kind" in event]
    return kinds[-1] if kinds else "echo"


def summarise(events: Iterable[Event], since: float, until: float) -> Summary:
    """Summarise the calls between two instants of the record's clock (seconds).

    Pure; the order of `events` does not matter. A window counts what happened in it:
    - sentinels: the largest number of held calls open at one instant of it, so a call that was
      dropped and joined anew is still one sentinel;
    - dropped, with_two_agents: calls (held or arrival) to which it happened in the window;
    - opened_during_run: arrivals opened in the window whose outcome (an agent, none, dropped)
      is known anywhere in the record;
    - without_agent: calls opened in the window that the record says got no agent;
    - reply, answered_fraction, greeted_again, connection_losses: of what was told in the window;
    - longest_silence_ms, longest_without_packets_ms: whole length of the longest that touches the
      window, because the caller heard all of it; a silence runs from `t - ms` to `t`.
    """
    ordered = sorted(events, key=lambda event: event["t"])
    opened: dict[str, Event] = {}
    ended: dict[str, float] = {}
    no_agent: set[str] = set()
    known: set[str] = set()
    dropped: set[str] = set()
    doubled: set[str] = set()
    longest = {"silence": 0.0, "no_packets": 0.0}
    replies: list[float] = []
    counts = {"reply": 0, "no_reply": 0, "greeted_again": 0, "reconnecting": 0}
    for event in ordered:
        name, t, call = event["event"], event["t"], event.get("call", "")
        within = since <= t <= until
        if name == "open":
            opened[call] = event
        elif name == "agent":
            known.add(call)
        elif name == "no_agent":
            no_agent.add(call)
        elif name == "two_agents" and within:
            doubled.add(call)
        elif name in ("dropped", "closed"):
            ended.setdefault(call, t)
            if name == "dropped":
                known.add(call)
                if within:
                    dropped.add(call)
        elif name in longest and t >= since and t - event["ms"] / 1000 <= until:
            longest[name] = max(longest[name], event["ms"])
        elif name in ("rtt", "reply") and within:
            replies += event["ms"] if name == "rtt" else [event["ms"]]
        if name in counts and within:
            counts[name] += 1
    in_window = {call for call, event in opened.items() if since <= event["t"] <= until}
    arrivals = {call for call in in_window if opened[call]["kind"] == "arrival"}
    held = [
        (event["t"], ended.get(call, float("inf")))
        for call, event in opened.items()
        if event["kind"] == "held"
    ]
    sentences = counts["reply"] + counts["no_reply"]
    return Summary(
        sentinels=_most_at_once(held, since, until),
        dropped=len(dropped),
        longest_silence_ms=longest["silence"],
        opened_during_run=len(arrivals & (known | no_agent)),
        without_agent=len(in_window & no_agent),
        with_two_agents=len(doubled),
        agent_kind=kind_of(ordered),
        reply_p50_ms=round(median(replies), 1) if replies else None,
        reply_p95_ms=_p95(replies),
        answered_fraction=round(counts["reply"] / sentences, 3) if sentences else None,
        greeted_again=counts["greeted_again"],
        longest_without_packets_ms=longest["no_packets"],
        connection_losses=counts["reconnecting"],
    )


def _p95(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return values[0] if values else None
    return round(quantiles(values, n=20, method="inclusive")[-1], 1)


def _most_at_once(spans: Sequence[tuple[float, float]], since: float, until: float) -> int:
    """Largest number of [start, end) spans open together at an instant of [since, until]."""
    instants = [since, *(start for start, _ in spans if since <= start <= until)]
    return max(sum(start <= at < end for start, end in spans) for at in instants)
