"""What a call hears of itself: its own chirps and no other's, its silences, or nothing at all."""

from __future__ import annotations

import numpy as np

from releve.probe.judgement import gates
from releve.probe.media import echo_search
from releve.probe.media import signal as sg
from releve.probe.media.echo_search import CallAudio, Echoes
from releve.probe.suites import echo

DELAY = 0.150
SECONDS = 6.0


def call(room: str) -> list[tuple[sg.Samples, float]]:
    """Ten chirps of that call's, from second 100.5 on."""
    return [(sg.chirp(sg.seed(room, number)), 100.5 + number * 0.4) for number in range(10)]


def heard(room: str, hertz: int | None) -> sg.Samples:
    """That call's chirps DELAY later, over a bed if there is one."""
    count = round(SECONDS * sg.RATE)
    samples = sg.bed(hertz, 0, count) if hertz else np.zeros(count, np.float32)
    for chirp, at in call(room):
        first = round((at - 100 + DELAY) * sg.RATE)
        samples[first : first + len(chirp)] += chirp
    return samples


def analysed(samples: sg.Samples, hertz: int = 300) -> Echoes:
    frame, pcm = sg.RATE // 100, sg.pcm(samples)
    frames = [(100 + k / sg.RATE, pcm[k : k + frame]) for k in range(0, len(pcm), frame)]
    return echo_search.analyse(
        CallAudio(hertz, call("mine"), frames, 100 + SECONDS), sg.LONGEST_RTT
    )


def test_a_calls_own_echo_is_timed_and_its_longest_silence_told() -> None:
    samples = heard("mine", 300)
    samples[3 * sg.RATE : round(3.8 * sg.RATE)] = 0
    found = analysed(samples)
    assert len(found.rtts_ms) == 8  # two fell into it
    assert all(abs(rtt - 1000 * DELAY) < 0.1 for rtt in found.rtts_ms)
    assert found.longest_silence_ms is not None
    assert abs(found.longest_silence_ms - 800) <= 40  # two blocks


def test_the_echo_of_another_call_is_none_of_ours() -> None:
    found = analysed(heard("another", 250))
    assert found == Echoes([], None, None)


def test_of_a_call_that_heard_nothing_no_silence_is_told() -> None:
    assert echo_search.analyse(CallAudio(300, call("mine")), sg.LONGEST_RTT) == Echoes(
        [], None, None
    )
    deaf = echo.CallResult("room", "agent-1", sent=10)
    probe = echo.probe_object("p", "green", [deaf], [], gates.of("echo"), asked=10)
    assert probe["longest_silence_ms"] is None
    deaf.longest_silence_ms, other = None, echo.CallResult("room", longest_silence_ms=40.0)
    probe = echo.probe_object("p", "green", [deaf, other], [], gates.of("echo"), asked=10)
    assert probe["longest_silence_ms"] == 40.0
