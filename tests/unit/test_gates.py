"""A gate passes on a figure that holds, and on nothing else."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from releve.probe import echo, gates
from releve.probe.gates import Gate

BELOW = Gate("rtt_p95_ms_max", "RTT p95", "below", 200.0, " ms", "people talk over each other")
LEAST = Gate("valid_fraction_min", "valid fraction", "at least", 0.95, "", "must be heard")


@given(st.floats(allow_nan=False))
@example(200.0)
@example(0.95)
def test_a_figure_is_judged_by_its_comparison(value: float) -> None:
    assert (BELOW.failure({"RTT p95": value}) is None) == (value < 200)
    assert (LEAST.failure({"valid fraction": value}) is None) == (value >= 0.95)


def test_a_failure_is_a_sentence_with_the_figure_the_limit_and_the_reason() -> None:
    assert BELOW.failure({"RTT p95": 241.5}) == (
        "RTT p95 is 241.5 ms, below 200 ms is needed (people talk over each other)"
    )


@pytest.mark.parametrize("metrics", [{}, {"RTT p95": None}, {"RTT p95": float("nan")}])
def test_not_enough_data_is_a_failure(metrics: dict[str, float | None]) -> None:
    failure = BELOW.failure(metrics)
    assert failure is not None
    assert "not enough data" in failure


def call(rtts: list[float], failure: str | None = None) -> echo.CallResult:
    return echo.CallResult("room", "agent-1", ["agent-1"], 0.1, 0.5, 20, rtts, 0.0, failure)


def judge(*calls: echo.CallResult, asked: int = 40) -> dict[str, object]:
    return echo.probe_object("p", "green", list(calls), None, asked=asked)


def test_a_good_agent_passes() -> None:
    probe = judge(call([150.0] * 20), call([160.0] * 18))
    assert probe["passed"] is True
    assert probe["reason"] is None
    assert (probe["sent"], probe["valid"]) == (40, 38)
    assert probe["rtt_ms"] == {"p50": 150.0, "p95": 160.0, "p99": 160.0}
    assert probe["gate"] == {"valid_fraction_min": 0.95, "rtt_p95_ms_max": 200.0}


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        ([call([150.0] * 20), call([150.0] * 17)], "valid fraction of chirps is 0.925"),
        ([call([150.0] * 20), call([250.0] * 20)], "RTT p95 is 250 ms, below 200 ms"),
        ([call([]), call([])], "RTT p95: not enough data"),
        ([], "valid fraction of chirps is 0"),
        ([call([150.0] * 20), call([150.0] * 20, "2 agents in room")], "2 agents in room"),
    ],
)
def test_a_bad_one_fails_with_the_figure(calls: list[echo.CallResult], said: str) -> None:
    probe = judge(*calls)
    assert probe["passed"] is False
    assert said in str(probe["reason"])


def test_a_p95_of_a_handful_is_not_enough_data() -> None:
    probe = judge(call([150.0] * 19), asked=19)
    assert probe["passed"] is False
    assert "not enough data" in str(probe["reason"])


def test_a_call_cut_short_cannot_pass_on_the_few_chirps_it_sent() -> None:
    short = call([150.0] * 5)
    short.sent = 5
    probe = judge(call([150.0] * 20), short)
    assert probe["sent"] == 25
    assert "valid fraction of chirps is 0.625" in str(probe["reason"])


def test_keys_of_the_gates_are_unique() -> None:
    assert len({gate.key for gate in gates.ECHO}) == len(gates.ECHO)
