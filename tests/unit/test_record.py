"""What the sentinels' record says about a window of time, and how it is written."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releve.probe.judgement.record import Event, Recorder, read, summarise


def event(t: float, name: str, call: str | None = None, **more: object) -> Event:
    return {"t": t, "event": name, **({"call": call} if call else {}), **more}


def held(*names: str, at: float = 0.0) -> list[Event]:
    return [event(at, "open", name, kind="held") for name in names]


def arrival(name: str, at: float, outcome: str = "agent") -> list[Event]:
    return [event(at, "open", name, kind="arrival"), event(at + 1, outcome, name)]


def test_a_quiet_run() -> None:
    events = [*held("a", "b", "c"), *arrival("x", 20), *arrival("y", 22)]
    assert summarise(events, 10, 30) == {
        "sentinels": 3,
        "dropped": 0,
        "longest_silence_ms": 0.0,
        "opened_during_run": 2,
        "without_agent": 0,
        "with_two_agents": 0,
        "agent_kind": "echo",
        "reply_p50_ms": None,
        "reply_p95_ms": None,
        "answered_fraction": None,
        "greeted_again": 0,
        "longest_without_packets_ms": 0.0,
        "connection_losses": 0,
    }


def test_of_an_agent_that_talks_replies_packets_and_a_lost_context_are_counted() -> None:
    told = [
        event(0, "started", agent_kind="talks"),
        *held("a"),
        event(5, "reply", "a", ms=9000.0, at=4.0),  # before the window
        *(event(12 + k, "reply", "a", ms=1000.0 + k, at=11.0 + k) for k in range(8)),
        event(20, "no_reply", "a", at=5.0),
        event(21, "no_reply", "a", at=6.0),
        event(22, "no_packets", "a", ms=1500.0),
        event(23, "no_packets", "a", ms=700.0),
        event(24, "greeted_again", "a"),
        event(25, "reconnecting", "a"),
        event(31, "greeted_again", "a"),  # after it
    ]
    summary = summarise(told, 10, 30)
    assert summary["agent_kind"] == "talks"
    assert summary["reply_p50_ms"] == 1003.5
    assert summary["reply_p95_ms"] == pytest.approx(1006.65, abs=0.1)
    assert summary["answered_fraction"] == 0.8
    assert summary["longest_without_packets_ms"] == 1500.0
    assert (summary["greeted_again"], summary["connection_losses"]) == (1, 1)


def test_an_echos_reply_is_its_round_trip() -> None:
    rtts = [event(12, "rtt", "a", ms=[100.0, 140.0], said=2)]
    assert summarise([*held("a"), *rtts], 10, 30)["reply_p50_ms"] == 120.0


def test_a_sentinel_dropped_and_joined_anew_is_one_sentinel_and_one_drop() -> None:
    events = [*held("a", "b", "c"), event(15, "dropped", "b", why="x"), *held("d", at=15.1)]
    summary = summarise(events, 10, 30)
    assert (summary["sentinels"], summary["dropped"]) == (3, 1)


def test_sentinels_opened_within_the_window_count() -> None:
    assert summarise(held("a", "b", at=12), 10, 30)["sentinels"] == 2


def test_sentinels_closed_before_the_window_do_not() -> None:
    assert summarise([*held("a"), event(5, "closed", "a")], 10, 30)["sentinels"] == 0


@pytest.mark.parametrize(("at", "dropped"), [(9.9, 0), (10, 1), (30, 1), (30.1, 0)])
def test_a_drop_counts_in_the_window_it_happened_in(at: float, dropped: int) -> None:
    events = [*held("a"), event(at, "dropped", "a", why="x")]
    assert summarise(events, 10, 30)["dropped"] == dropped


def test_an_arrival_that_was_dropped_is_a_dropped_call() -> None:
    assert summarise(arrival("x", 20, "dropped"), 10, 30)["dropped"] == 1


def test_arrivals_count_when_opened_in_the_window_and_their_outcome_is_known() -> None:
    unknown = [event(29, "open", "z", kind="arrival")]
    late = [event(29, "open", "l", kind="arrival"), event(39, "no_agent", "l")]
    events = [*arrival("before", 9), *arrival("x", 20), *arrival("after", 31), *unknown, *late]
    summary = summarise(events, 10, 30)
    assert (summary["opened_during_run"], summary["without_agent"]) == (2, 1)


def test_two_agents_count_once_a_call_held_or_new() -> None:
    two = [event(t, "two_agents", "a", identities=["i", "j"]) for t in (12, 13)]
    events = [*held("a"), *two, *arrival("x", 20, "two_agents"), event(40, "two_agents", "b")]
    assert summarise(events, 10, 30)["with_two_agents"] == 2


@pytest.mark.parametrize(
    ("t", "ms", "longest"),
    [(9, 500, 0), (10.2, 500, 500), (20, 500, 500), (30.2, 500, 500), (31, 500, 0)],
)
def test_a_silence_counts_whole_when_it_touches_the_window(
    t: float, ms: float, longest: float
) -> None:
    events = [*held("a"), event(t, "silence", "a", ms=ms), event(15, "silence", "a", ms=0)]
    assert summarise(events, 10, 30)["longest_silence_ms"] == longest


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TIMES = st.floats(0, 100)
HAPPENINGS = st.one_of(
    st.builds(
        lambda t, call, kind: event(t, "open", call, kind=kind),
        TIMES,
        NAMES,
        st.sampled_from(["held", "arrival"]),
    ),
    st.builds(
        lambda t, name, call: event(t, name, call, why="w", identities=["i", "j"], ms=400.0),
        TIMES,
        st.sampled_from(
            ["agent", "agent_left", "two_agents", "no_agent", "dropped", "closed", "silence"]
        ),
        NAMES,
    ),
    st.builds(lambda t: event(t, "ready"), TIMES),
)
RECORDS = st.lists(HAPPENINGS, max_size=40)


@given(RECORDS, TIMES, TIMES, st.randoms(use_true_random=False))
def test_any_record_is_summarised_within_its_bounds_in_any_order(
    events: list[Event], one: float, other: float, shuffle: random.Random
) -> None:
    since, until = min(one, other), max(one, other)
    stamped = {e["t"]: e for e in events}  # no two at one instant, so order is defined by time
    events = list(stamped.values())
    summary = summarise(events, since, until)
    opened = {e["call"] for e in events if e["event"] == "open"}
    assert 0 <= summary["sentinels"] <= len(opened)
    assert 0 <= summary["opened_during_run"] <= len(opened)
    figures = [value for value in summary.values() if isinstance(value, int | float)]
    assert len(figures) == len(summary) - 4  # the kind, and what no reply was there to tell
    assert all(value >= 0 for value in figures)
    shuffle.shuffle(events)
    assert summarise(events, since, until) == summary


@given(RECORDS, st.floats(0, 50), st.floats(50, 100))
def test_a_wider_window_never_sees_less(events: list[Event], since: float, until: float) -> None:
    narrow, wide = summarise(events, since, until), summarise(events, 0, 100)
    for key in ("sentinels", "dropped", "with_two_agents", "longest_silence_ms"):
        assert wide[key] >= narrow[key]  # type: ignore[literal-required]


def test_a_record_is_readable_by_others_and_flushed_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "sentinels.jsonl"
    before = os.umask(0o077)
    try:
        with Recorder(path) as recorder:
            recorder.write("open", call="a", kind="held")
            assert [e["event"] for e in read(path)] == ["open"]
            recorder.write("agent", call="a", identity="i")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    events = read(path)
    assert [e["event"] for e in events] == ["open", "agent"]
    assert events[0]["t"] <= events[1]["t"]


def test_a_record_is_continued_not_overwritten(tmp_path: Path) -> None:
    for _ in range(2):
        with Recorder(tmp_path / "r.jsonl") as recorder:
            recorder.write("started", calls=3, every=2.0)
    assert len(read(tmp_path / "r.jsonl")) == 2


def test_a_last_line_cut_short_is_left_out_but_a_broken_one_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"t": 1, "event": "ready"}\n{"t": 2, "ev')
    assert read(path) == [{"t": 1, "event": "ready"}]
    path.write_text('{"t": 1, "ev\n{"t": 2, "event": "ready"}\n')
    with pytest.raises(json.JSONDecodeError):
        read(path)
