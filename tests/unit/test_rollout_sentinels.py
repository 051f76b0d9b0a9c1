"""The sentinels' record while it grows, and what the rollout's gates say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from releve.rollout.sources.sentinels import HARM_SECONDS, Sentinels, Tail
from releve.rollout.state import Answer
from unit.rollout_plans import plan

SINCE = 1000.0


class Record:
    """A record that a test writes; a held call from a minute before the run on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.put("open", SINCE - 62, call="held", kind="held")
        self.hear(SINCE - 60, SINCE)

    def put(self, event: str, t: float, **fields: Any) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps({"t": t, "event": event, **fields}) + "\n")

    def hear(self, since: float, until: float, ms: float = 150.0) -> None:
        """A round trip a second, told three seconds after its chirp."""
        for second in range(int(until - since)):
            at = since + second
            self.put("rtt", at + 3, call="held", ms=[ms], said=1, at=at)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record.jsonl")


def sentinels(record: Record, **changes: Any) -> Sentinels:
    return Sentinels(plan(record=str(record.path), **changes), SINCE)


def fails(answer: Answer) -> str:
    assert answer.answer == "fail", answer
    return "; ".join(answer.said)


def test_whole_lines_are_read_once_and_half_ones_when_they_are_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    tail = Tail(file)
    with pytest.raises(FileNotFoundError):
        tail.lines()
    file.write_bytes(b"a\nb")
    assert tail.lines() == [b"a"]
    assert tail.lines() == []
    with file.open("ab") as more:
        more.write(b"c\nd\n")
    assert tail.lines() == [b"bc", b"d"]
    file.write_bytes(b"e\n")
    assert tail.lines() == [b"e"]
    other = tmp_path / "other"
    other.write_bytes(b"longer than it was\n")
    other.rename(file)
    assert tail.lines() == [b"longer than it was"]


def test_a_quiet_record_passes(record: Record) -> None:
    record.hear(SINCE, SINCE + 70)
    answers = sentinels(record).look(SINCE + 73)
    assert {name: answer.answer for name, answer in answers.items()} == {
        "record": "pass",
        "calls": "pass",
        "harm": "pass",
    }


@pytest.mark.parametrize("last", [62.9, 200.0])
def test_a_record_without_news_fails_by_itself(record: Record, last: float) -> None:
    record.hear(SINCE, SINCE + 50)
    watch = sentinels(record)
    assert watch.look(SINCE + 61.9)["record"].answer == "pass"
    assert "time since the sentinels' last event is" in fails(watch.look(SINCE + last)["record"])


def test_a_record_that_is_not_there_fails(tmp_path: Path) -> None:
    watch = Sentinels(plan(record=str(tmp_path / "none")), SINCE)
    assert "No such file" in fails(watch.look(SINCE)["record"])


def test_a_line_that_is_no_event_fails(record: Record) -> None:
    watch = sentinels(record)
    with record.path.open("a") as file:
        file.write("[]\n")
    assert "has a line that is no event" in fails(watch.look(SINCE)["record"])


def test_a_dropped_call_stays_dropped(record: Record) -> None:
    watch = sentinels(record)
    record.put("dropped", SINCE + 5, call="held", why="x")
    record.hear(SINCE, SINCE + 5000)
    assert "dropped is 1" in fails(watch.look(SINCE + 5)["calls"])
    assert "dropped is 1" in fails(watch.look(SINCE + 5003)["calls"])


def test_what_was_before_the_run_does_not_count(record: Record) -> None:
    record.put("dropped", SINCE - 5, call="other", why="x")
    assert sentinels(record).look(SINCE + 1)["calls"].answer == "pass"


def test_a_rise_of_round_trips_fails_once_a_minute_of_them_was_heard(record: Record) -> None:
    watch = sentinels(record)
    record.hear(SINCE, SINCE + 40, ms=400.0)
    early = watch.look(SINCE + 43)["harm"]
    assert (early.answer, early.said[0]) == ("inconclusive", "only 43 of 60 s were heard")
    record.hear(SINCE + 40, SINCE + 60, ms=400.0)
    assert "RTT p95 of held calls beyond that before the run is 250 ms" in fails(
        watch.look(SINCE + 63)["harm"]
    )


def test_hours_of_a_good_bake_do_not_outvote_the_last_minutes(record: Record) -> None:
    watch = sentinels(record)
    record.hear(SINCE, SINCE + 7200)
    assert watch.look(SINCE + 7203)["harm"].answer == "pass"
    record.hear(SINCE + 7200, SINCE + 7230, ms=400.0)
    assert watch.look(SINCE + 7233)["harm"].answer == "fail"
    record.hear(SINCE + 7230, SINCE + 7230 + HARM_SECONDS)
    assert watch.look(SINCE + 7233 + HARM_SECONDS)["harm"].answer == "pass"


def test_a_new_silence_fails_at_once(record: Record) -> None:
    watch = sentinels(record)
    record.hear(SINCE, SINCE + 15)
    record.put("silence", SINCE + 16, call="held", ms=700.0)
    assert "longest silence of held calls that was not there before is 700 ms" in fails(
        watch.look(SINCE + 16)["harm"]
    )


def test_the_run_is_compared_with_what_was_before_the_calls_had_company(record: Record) -> None:
    record.hear(SINCE, SINCE + 60, ms=300.0)
    record.put("before_over", SINCE + 60, busy_share=0.1)
    record.hear(SINCE + 60, SINCE + 130, ms=330.0)
    assert sentinels(record).look(SINCE + 133)["harm"].answer == "pass"


def test_memory_does_not_grow_with_round_trips(record: Record) -> None:
    watch = sentinels(record)
    record.hear(SINCE, SINCE + 20000)
    watch.look(SINCE + 20003)
    assert len(watch._rtts) <= 60 + HARM_SECONDS + 3


def test_new_rooms_are_told_with_the_time_of_their_agents_audio(record: Record) -> None:
    watch = sentinels(record)
    record.put("open", SINCE + 1, call="a", kind="arrival")
    record.put("agent", SINCE + 3.5, call="a", identity="x")
    record.put("agent", SINCE + 9, call="a", identity="y")
    record.put("open", SINCE + 2, call="b", kind="arrival")
    record.put("agent", SINCE + 2, call="held", identity="z")
    watch.look(SINCE + 10)
    assert [(a.room, a.opened, a.audio_s) for a in watch.arrivals()] == [("a", SINCE + 1, 2.5)]
