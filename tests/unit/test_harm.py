"""What people on the line would have noticed: compared with the minute before, or not known."""

from __future__ import annotations

from typing import Any

import pytest

from releve.probe.judgement import gates, harm
from releve.probe.judgement.record import Event

GATES = gates.of("harm")
OPEN: Event = {"t": 0.0, "event": "open", "call": "a", "kind": "held"}


def rtts(first: int, last: int, ms: float) -> list[Event]:
    """One chirp a second, told four seconds after it was said."""
    return [
        {"t": at + 4.0, "event": "rtt", "call": "a", "said": 1, "at": float(at), "ms": [ms]}
        for at in range(first, last)
    ]


def silence(until: float, ms: float) -> Event:
    return {"t": until, "event": "silence", "call": "a", "ms": ms}


def record(*more: Event, during: float = 160.0, **before: Any) -> list[Event]:
    over: Event = {"t": 30.0, "event": "before_over", "busy_share": 0.2} | before
    return [OPEN, *rtts(5, 30, 140.0), over, *rtts(30, 100, during), *more]


def judged(events: list[Event], since: float = 1.0) -> tuple[str, str]:
    answer, said = harm.answer(harm.of(events, since, 120.0), GATES)
    return answer, "; ".join(said)


def test_a_run_that_nobody_notices_passes_with_both_figures() -> None:
    found = harm.of(record(), 1.0, 120.0)
    assert found is not None
    assert (found.p95_before_ms, found.p95_during_ms, found.new_silence_ms) == (140.0, 160.0, 0.0)
    assert judged(record()) == ("pass", "")


def test_calls_that_became_slower_fail_with_the_figure() -> None:
    answer, said = judged(record(during=195.0))
    assert answer == "fail"
    assert "beyond that before the run is 55 ms, at most 50 ms" in said


@pytest.mark.parametrize(("ms", "answer"), [(499.0, "pass"), (500.0, "fail"), (700.0, "fail")])
def test_a_silence_that_was_not_there_before_fails(ms: float, answer: str) -> None:
    assert judged(record(silence(60.0, ms)))[0] == answer


def test_a_silence_as_long_as_one_before_is_not_the_runs() -> None:
    found = harm.of(record(silence(20.0, 450.0), silence(60.0, 440.0)), 1.0, 120.0)
    assert found is not None
    assert (found.silence_before_ms, found.new_silence_ms) == (450.0, 0.0)


def test_a_chirp_belongs_to_the_time_in_which_it_was_said_not_told() -> None:
    over: Event = {"t": 30.0, "event": "before_over"}
    found = harm.of([OPEN, *rtts(20, 30, 140.0), over, *rtts(30, 41, 160.0)], 1.0, 120.0)
    assert found is not None
    assert (found.p95_before_ms, found.p95_during_ms) == (140.0, 160.0)


def test_nobody_can_tell_where_the_minute_before_was_no_better() -> None:
    answer, said = judged(record(silence(20.0, 900.0), silence(60.0, 950.0)))
    assert answer == "inconclusive"
    assert "silent for 900 ms before the run, too" in said
    answer, said = judged(record(during=400.0, busy_share=0.55))
    assert (answer, said.partition(";")[0]) == (
        "inconclusive",
        "the host was 55% busy before the run",
    )


def test_a_busy_host_that_nobody_was_harmed_on_passes() -> None:
    assert judged(record(busy_share=0.9))[0] == "pass"


def test_too_few_chirps_before_are_no_answer() -> None:
    few = [OPEN, *rtts(25, 30, 140.0), {"t": 30.0, "event": "before_over"}, *rtts(30, 90, 140.0)]
    assert judged(few)[0] == "inconclusive"


def test_calls_that_were_there_before_are_compared_with_the_minute_before_the_run() -> None:
    """A rollback: the sentinels are from the migration, whose beginning is long ago."""
    events = [*record(), *rtts(200, 260, 150.0), *rtts(260, 290, 180.0)]
    found = harm.of(events, 260.0, 300.0)
    assert found is not None
    assert (found.p95_before_ms, found.p95_during_ms) == (150.0, 180.0)


TALKS: Event = {"t": 0.0, "event": "started", "agent_kind": "talks"}


def replies(first: int, last: int, ms: float, every: int = 20) -> list[Event]:
    return [
        {"t": at + 3.0, "event": "reply", "call": "a", "at": float(at), "ms": ms}
        for at in range(first, last, every)
    ]


def talked(during: float = 1300.0, *more: Event) -> list[Event]:
    over: Event = {"t": 90.0, "event": "before_over", "busy_share": 0.2}
    return [TALKS, OPEN, *replies(5, 90, 1200.0), over, *replies(95, 200, during), *more]


def talk_judged(events: list[Event]) -> tuple[str, str]:
    answer, said = harm.answer(harm.of(events, 1.0, 210.0), GATES)
    return answer, "; ".join(said)


def packets(until: float, ms: float) -> Event:
    return {"t": until, "event": "no_packets", "call": "a", "ms": ms}


def test_an_agent_that_talks_is_judged_by_its_replies() -> None:
    found = harm.of(talked(), 1.0, 210.0)
    assert found is not None
    assert (found.p95_before_ms, found.p95_during_ms) == (1200.0, 1300.0)
    assert talk_judged(talked()) == ("pass", "")
    answer, said = talk_judged(talked(2300.0))
    assert answer == "fail"
    assert "reply p95 of held calls beyond that before the run is 1100 ms" in said


def test_an_agent_that_talks_is_judged_by_packets_and_not_by_silences() -> None:
    assert talk_judged(talked(1300.0, silence(100.0, 2000.0)))[0] == "pass"
    answer, said = talk_judged(talked(1300.0, packets(100.0, 1000.0)))
    assert answer == "fail"
    assert "longest time without packets of held calls that was not there before" in said
    answer, said = talk_judged(talked(1300.0, packets(50.0, 1100.0), packets(100.0, 1200.0)))
    assert answer == "inconclusive"
    assert "without packets for 1100 ms before the run, too" in said


def test_two_replies_before_a_run_are_no_answer() -> None:
    few = [e for e in talked() if not (e["event"] == "reply" and e["at"] < 50)]
    answer, said = talk_judged(few)
    assert answer == "inconclusive"
    assert "too few replies were heard" in said


def test_of_an_agent_that_only_listens_there_is_nothing_to_notice() -> None:
    listens: Event = {"t": 0.0, "event": "started", "agent_kind": "listens"}
    assert judged([listens, OPEN, {"t": 30.0, "event": "before_over"}]) == ("pass", "")


def test_nobody_on_the_line_is_for_the_gates_on_calls() -> None:
    assert harm.of([], 0.0, 10.0) is None
    assert harm.answer(None, GATES) == ("pass", [])
