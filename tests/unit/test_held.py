"""Held calls to agents that talk: times without packets, loudness, and a greeting said again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from releve.probe.media.webrtc import Flow
from releve.probe.suites.held.packets import LEAST_SECONDS, PacketWatch
from releve.probe.suites.held.talking import alike, loud, reply


def look(at: float, arrivals: list[float]) -> Flow:
    """What WebRTC tells at an instant of packets that arrive at these."""
    came = [each for each in arrivals if each <= at]
    return Flow(at, len(came), came[-1] if came else None, 0.0, 0.0)


def told(arrivals: list[float], until: float, every: float = 1.0) -> list[float]:
    watch = PacketWatch()
    return [
        ms
        for at in np.arange(arrivals[0] + 0.01, until, every)
        for ms in watch.feed(look(float(at), arrivals))
    ]


def test_neither_a_talking_nor_a_silent_agent_has_times_without_packets() -> None:
    assert told(list(np.arange(10, 30, 0.02)), 30) == []
    assert told(list(np.arange(10, 30, 0.4)), 30) == []


def test_a_gap_is_told_with_its_length_when_it_is_over() -> None:
    arrivals = [*np.arange(10, 15, 0.02), *np.arange(18.2, 30, 0.02)]
    (ms,) = told(arrivals, 30, every=0.25)
    assert 2950 <= ms <= 3220


@given(st.floats(0.7, 20), st.floats(0, 1), st.sampled_from([0.02, 0.1, 0.4]))
def test_a_gap_is_never_told_too_long_nor_more_than_a_look_too_short(
    gap: float, phase: float, pace: float
) -> None:
    first = list(np.arange(10 + phase, 15 + phase, pace))
    again = first[-1] + gap
    found = told([*first, *np.arange(again, again + 5, pace)], again + 5, every=0.25)
    assert sum(found) / 1000 <= gap + 0.001
    if gap - 0.25 >= LEAST_SECONDS:
        (ms,) = found
        assert ms / 1000 >= gap - 0.251


def test_the_time_between_two_calls_counts_and_that_before_the_first_does_not() -> None:
    watch = PacketWatch()
    assert watch.feed(look(5.0, [])) == []
    assert watch.end(5.0) == []
    watch.feed(look(11.0, [10.98, 11.0]))
    watch.begin_call()
    assert watch.feed(look(15.5, [])) == []
    (ms,) = watch.feed(look(16.0, [15.98, 16.0]))
    assert ms == 4500.0


def test_a_packet_that_comes_alone_tells_the_time_exactly() -> None:
    watch = PacketWatch()
    watch.feed(Flow(11.1, 10, 11.0, 0.0, 0.0))
    watch.feed(Flow(11.5, 10, 11.0, 0.0, 0.0))
    assert watch.feed(Flow(12.5, 11, 12.4, 0.0, 0.0)) == [1400.0]


def test_what_goes_on_is_told_at_the_end() -> None:
    watch = PacketWatch()
    watch.feed(look(11.0, [10.98, 11.0]))
    assert watch.end(11.0 + LEAST_SECONDS - 0.01) == []
    assert watch.end(13.0) == [2000.0]


def test_a_voice_is_told_by_the_energy_between_two_looks() -> None:
    before = Flow(1.0, 50, 1.0, 0.5, 1.0)
    speech, hush = 0.05**2, 0.001**2  # mean squares
    assert loud(before, Flow(2.0, 100, 2.0, 0.5 + speech, 2.0))
    assert not loud(before, Flow(2.0, 100, 2.0, 0.5 + hush, 2.0))
    assert not loud(before, Flow(2.0, 50, 1.0, 0.5, 1.0))


def test_a_reply_is_not_what_the_agent_was_saying_anyhow() -> None:
    speech = [10.0 + k / 100 for k in range(100)]
    assert reply(speech, 9.5) == 10.0
    assert reply(speech, 10.5) is None, "it went on"
    assert reply([*speech, 11.4, 11.41], 10.5) == 11.4
    assert reply(speech, 11.2) is None
    assert reply([], 5.0) is None


def test_another_track_begins_to_count_anew() -> None:
    watch = PacketWatch()
    watch.feed(Flow(11.0, 500, 11.0, 0.0, 0.0))
    watch.feed(Flow(12.0, 500, 11.0, 0.0, 0.0))
    assert watch.feed(Flow(12.5, 20, 12.5, 0.0, 0.0)) == [1000.0]
    assert not loud(Flow(12.0, 1, 1.0, 5.0, 1.0), Flow(13.0, 2, 2.0, 0.0, 2.0))


@pytest.mark.parametrize(
    ("said", "same"),
    [
        ("hello i am your coach say let us begin", True),
        ("hello i am your coach say lets begin", True),
        ("well hello i am your coach say let us begin", True),
        ("repeat after me she sells sea shells", False),
        ("i did not understand you can say let us begin", False),
    ],
)
def test_a_greeting_is_known_again(said: str, same: bool) -> None:
    assert alike("hello i am your coach say let us begin", said) is same


def test_a_greeting_of_a_word_is_in_many_a_reply() -> None:
    assert not alike("hello", "you said hello to me this morning")
