"""A gate passes on a figure that holds, and on nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from releve.probe.cli import options
from releve.probe.judgement import gates
from releve.probe.judgement.gates import Gate
from releve.probe.suites import echo

SUITES = ("connect", "network", "app", "echo", "conversation", "compare", "soak", "load", "calls")
BELOW = Gate("rtt_p95_ms_max", "RTT p95", "below", 200.0, "people talk over each other", " ms")
LEAST = Gate("valid_fraction_min", "valid fraction", "at least", 0.95, "must be heard")


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
    return echo.CallResult(
        "room", "agent-1", ["agent-1"], 0.1, 0.5, 20, rtts, 15.0, failure=failure
    )


FLOOR = [140.0] * 20


def judge(*calls: echo.CallResult, asked: int = 40) -> dict[str, Any]:
    return echo.probe_object("p", "green", list(calls), FLOOR, gates.of("echo"), asked=asked)


def test_a_good_agent_passes() -> None:
    probe = judge(call([150.0] * 20), call([160.0] * 18))
    assert probe["passed"] is True
    assert probe["reason"] is None
    assert (probe["sent"], probe["valid"]) == (40, 38)
    assert probe["rtt_ms"] == {"p50": 150.0, "p95": 160.0, "p99": 160.0}
    assert probe["gate"] == {
        "valid_fraction_min": 0.95,
        "own_share_ms_max": 60.0,
        "rtt_p95_ms_max": 200.0,
    }


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


def test_what_failed_is_told_with_metric_figure_limit_reason_and_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "probe-green-echo.json"

    async def suite() -> dict[str, Any]:
        return judge(call([150.0] * 20), call([250.0] * 20))

    with pytest.raises(typer.Exit) as ended:
        options.judge(suite(), out)
    assert ended.value.exit_code == 1
    assert capsys.readouterr().err == (
        "probe p of green failed: agent's own share of RTT p95 is 110 ms, at most 60 ms is needed "
        "(the rest is the floor of the same minutes, which no agent can change); "
        "RTT p95 is 250 ms, below 200 ms is needed "
        f"(beyond it people talk over each other); evidence: {out}\n"
    )
    told = {gate["key"]: gate for gate in json.loads(out.read_text())["gates"]}
    assert told["rtt_p95_ms_max"] == {
        "key": "rtt_p95_ms_max",
        "metric": "RTT p95",
        "comparison": "below",
        "limit": 200.0,
        "unit": " ms",
        "reason": "beyond it people talk over each other",
        "value": 250.0,
        "held": False,
    }
    assert told["valid_fraction_min"]["held"] is True


@pytest.mark.parametrize("suite", SUITES)
def test_every_gate_fails_by_a_sentence_that_says_it_all(suite: str) -> None:
    for gate in gates.of(suite):
        beyond = gate.limit + (1 if gate.comparison != "at least" else -0.5)
        said = gate.failure({gate.metric: beyond})
        needed = f"{gate.comparison} {gate.limit:g}{gate.unit} is needed ({gate.reason})"
        assert said == f"{gate.metric} is {beyond:g}{gate.unit}, {needed}"


def test_a_p95_of_a_handful_is_not_enough_data() -> None:
    probe = judge(call([150.0] * 19), asked=19)
    assert probe["passed"] is False
    assert "not enough data" in str(probe["reason"])


def test_chirps_too_few_for_the_gates_are_refused_before_any_call() -> None:
    said = echo.too_few(gates.of("echo"), 1, 19)
    assert said is not None
    assert "say 19 chirps; RTT p95 needs at least 20" in said
    assert echo.too_few(gates.of("echo"), 2, 10) is None
    assert echo.too_few(gates.of("echo", only=["valid_fraction_min"]), 1, 1) is None


def test_a_call_cut_short_cannot_pass_on_the_few_chirps_it_sent() -> None:
    short = call([150.0] * 5)
    short.sent = 5
    probe = judge(call([150.0] * 20), short)
    assert probe["sent"] == 25
    assert "valid fraction of chirps is 0.625" in str(probe["reason"])


def test_keys_of_the_gates_are_unique() -> None:
    for suite in SUITES:
        assert len({gate.key for gate in gates.of(suite)}) == len(gates.of(suite)) > 0


def test_a_limit_is_a_setting_and_the_rest_of_its_gate_stays() -> None:
    judges = gates.of("echo", ["rtt_p95_ms_max=250"], ["rtt_p95_ms_max"])
    assert [(gate.key, gate.limit, gate.comparison) for gate in judges] == [
        ("rtt_p95_ms_max", 250.0, "below")
    ]


@pytest.mark.parametrize(
    ("limits", "only", "said"),
    [
        (["rtt_max=1"], [], "no gate is called 'rtt_max'; there are valid_fraction_min, own_"),
        (["rtt_p95_ms_max=fast"], [], "rtt_p95_ms_max=fast: not a number"),
        ([], ["audible"], "no gate is called 'audible'"),
    ],
)
def test_a_gate_that_is_not_there_is_a_sentence(
    limits: list[str], only: list[str], said: str
) -> None:
    with pytest.raises(gates.GateError, match=said):
        gates.of("echo", limits, only)
