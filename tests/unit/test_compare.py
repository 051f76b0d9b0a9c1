"""Green against blue: proven good, proven bad, or not enough data. Never a pass by default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats

from releve.keys import Keys
from releve.probe.caller.join import Server
from releve.probe.judgement import gates
from releve.probe.media.echo_search import CallAudio
from releve.probe.suites import callers, compare
from releve.probe.suites.compare import ColourResult

MARGIN = gates.of("compare")[0]
TRIALS = 200


def heard(p50: float, *, calls: int = 2, chirps: int = 20, seed: int = 1) -> ColourResult:
    rng = np.random.default_rng([seed, int(p50 * 10), calls])
    rtts = [rng.normal(p50, 12, chirps).tolist() for _ in range(calls)]
    return ColourResult(rtts, sent=calls * chirps)


def judge(blue: ColourResult, green: ColourResult) -> dict[str, Any]:
    return compare.probe_object("compare", "green", blue, green, MARGIN)


@pytest.mark.parametrize("green", [120.0, 150.0, 150 + MARGIN.limit / 2])
def test_a_green_within_the_margin_passes(green: float) -> None:
    probe = judge(heard(150.0), heard(green))
    assert probe["passed"] is True, probe["reason"]
    assert probe["compared"]["answer"] == "pass"
    assert (probe["sent"], probe["valid"], len(probe["calls"])) == (40, 40, 2)
    assert probe["compared"]["rtt_ms"]["p50"] == pytest.approx(150, abs=8)


def test_a_slower_green_fails_with_figure_and_limit() -> None:
    probe = judge(heard(150.0), heard(240.0))
    assert probe["passed"] is False
    assert probe["compared"]["answer"] == "fail"
    assert probe["reason"].startswith("green's RTT beyond blue's is ")
    assert f"at most {MARGIN.limit:g} ms is needed" in probe["reason"]


@pytest.mark.parametrize(
    ("blue", "green", "said"),
    [
        (heard(150.0), heard(150.0, chirps=9), "18 answers in 2 calls of green"),
        (heard(150.0, calls=0), heard(150.0), "0 answers in 0 calls of blue"),
        (heard(150.0), heard(150.0, calls=1, chirps=40), "40 answers in 1 calls of green"),
        (heard(150.0), heard(150.0 + MARGIN.limit), "green's RTT beyond blue's may be "),
    ],
)
def test_what_proves_nothing_is_not_enough_data_and_no_pass(
    blue: ColourResult, green: ColourResult, said: str
) -> None:
    probe = judge(blue, green)
    assert probe["passed"] is False
    assert probe["compared"]["answer"] == "inconclusive"
    assert probe["answer"] == "inconclusive"
    assert said in probe["reason"]
    assert "green's RTT beyond blue's: not enough data, at most" in probe["reason"]


def test_a_green_that_two_agents_served_fails_however_fast_it_is() -> None:
    green = heard(120.0)
    green.failures.append("2 agents in releve-compare-1, exactly one is wanted")
    assert judge(heard(150.0), green)["reason"] == green.failures[0]


def test_why_blue_was_not_heard_is_told() -> None:
    blue = ColourResult(
        [[], []], failures=["no agent came within 10 s of opening releve-compare-1"]
    )
    assert blue.failures[0] in judge(blue, heard(150.0))["reason"]


def test_a_green_slower_than_the_margin_passes_by_chance_one_time_in_twenty_at_most() -> None:
    answers = []
    for seed in range(TRIALS):
        blue, green = heard(150, seed=seed), heard(150 + MARGIN.limit, seed=seed)
        answers.append(compare.judge(blue, green, MARGIN).answer)
    assert answers.count("pass") <= TRIALS * 0.08
    assert answers.count("fail") <= TRIALS * 0.08


@pytest.mark.parametrize("seed", range(20))
def test_the_interval_holds_what_mann_and_whitneys_test_does_not_reject(seed: int) -> None:
    blue, green = heard(150, seed=seed).all_ms, heard(170, seed=seed).all_ms
    slower, low, high = compare.shift(blue, green)
    assert low < slower < high
    for end, alternative in ((low, "greater"), (high, "less")):
        moved = np.subtract(green, end)
        p = scipy.stats.mannwhitneyu(moved, blue, alternative=alternative).pvalue
        assert p == pytest.approx(compare.ERROR, abs=0.004)


class Line:
    """Stands in for the callers of a colour: notes how many calls of both are up, and ever were."""

    up = most = ever = 0
    answered = True

    def __init__(self, *_: object) -> None:
        self.calls = 0

    async def hold(self, calls: int) -> list[str]:
        self.calls = calls
        Line.ever += calls
        Line.up += calls
        Line.most = max(Line.most, Line.up)
        return [] if Line.answered else ["no agent came"]

    async def say(self, phases: Sequence[float], *, answered: bool) -> list[CallAudio]:
        assert len(phases) == self.calls
        return [CallAudio(440) for _ in phases]

    def problems(self) -> list[str]:
        return []

    async def close(self) -> None:
        Line.up -= self.calls


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Compare over such lines, three calls of each colour."""

    async def round_trips(said: Sequence[CallAudio]) -> list[list[float]]:
        return [[150.0] * 20 if Line.answered else [] for _ in said]

    def play(*, answered: bool) -> dict[str, Any]:
        for figure in ("up", "most", "ever"):
            monkeypatch.setattr(Line, figure, 0)
        monkeypatch.setattr(Line, "answered", answered)
        server = Server("ws://nobody.example", Keys("key", "secret"))
        run = compare.run(server, server, "compare", "green", MARGIN, calls=3, chirps=20)
        return asyncio.run(run)

    monkeypatch.setattr(compare, "Callers", Line)
    monkeypatch.setattr(compare, "SETTLE_SECONDS", 0)
    monkeypatch.setattr(callers, "round_trips", round_trips)
    return play


def test_no_more_than_one_call_of_each_is_up_at_a_time(
    compared: Callable[..., dict[str, Any]],
) -> None:
    probe = compared(answered=True)
    assert (Line.most, Line.up) == (2, 0)
    assert [len(probe["calls"]), len(probe["compared"]["calls"]), probe["valid"]] == [3, 3, 60]
    assert probe["compared"]["answer"] == "pass"


def test_nobody_is_called_after_a_call_that_went_wrong(
    compared: Callable[..., dict[str, Any]],
) -> None:
    probe = compared(answered=False)
    assert (Line.ever, Line.up) == (2, 0)
    assert probe["compared"]["answer"] == "inconclusive"
    assert probe["answer"] == "fail"
    assert probe["reason"].startswith("no agent came")
