"""The connect suite's verdict: from what calls lived through to a sentence with its figure."""

from __future__ import annotations

from typing import Any

import pytest

from releve.probe.caller.bad_tokens import TokenResult
from releve.probe.judgement import gates
from releve.probe.suites import connect
from releve.probe.suites.connect import JoinResult

REFUSED = [
    TokenResult(token, True, "refuses") for token in ("forged", "expired", "no leave", "other")
]
COST: dict[str, float | None] = {"cpu_s": 0.5, "cores_per_call": 0.05}


def call(join: float = 0.2, audio: float | None = 1.0, failure: str | None = None) -> JoinResult:
    return JoinResult("room", "in a row", join, audio and audio - 0.1, audio, failure)


def judge(*calls: JoinResult, refused: list[TokenResult] = REFUSED) -> dict[str, Any]:
    return connect.probe_object("c", "green", list(calls), refused, gates.of("connect"), COST)


def test_calls_that_are_joined_in_time_pass_and_their_times_are_told() -> None:
    probe = judge(call(0.2), call(0.4))
    assert probe["passed"] is True
    assert probe["seconds"]["join"] == {"p50": 0.3, "p95": 0.39, "max": 0.4}
    assert (probe["sent"], probe["valid"]) == (2, 2)


@pytest.mark.parametrize(
    ("calls", "refused", "said"),
    [
        ([call(), call(3.5)], REFUSED, "slowest join is 3.5 s, below 3 s is needed"),
        ([call(audio=9.0)], REFUSED, "slowest agent audio is 9 s, below 8 s is needed"),
        (
            [call(), call(audio=None, failure="no agent came")],
            REFUSED,
            "no agent came; fraction of calls with an agent's audio is 0.5, at least 1 is needed",
        ),
        ([], REFUSED, "slowest join: not enough data"),
        (
            [call()],
            [*REFUSED[1:], TokenResult("forged", False, "the server let it in")],
            "forged: the server let it in; bad tokens refused is 3, at least 4 is needed",
        ),
    ],
)
def test_what_goes_wrong_fails_by_its_figure(
    calls: list[JoinResult], refused: list[TokenResult], said: str
) -> None:
    probe = judge(*calls, refused=refused)
    assert probe["passed"] is False
    assert said in probe["reason"]
