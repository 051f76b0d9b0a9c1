"""The agent's own share beside the floor: pass, fail, or a host that is too busy to tell."""

from __future__ import annotations

from typing import Any

import pytest

from releve.probe.judgement import gates, latency, verdict

JUDGES = gates.of("echo")
MANY = 40


def probe(rtt: float, floor: float | None, busy: float | None = 0.3, heard: int = MANY) -> Any:
    rtts, floors = [rtt] * heard, [] if floor is None else [floor] * 20
    metrics = {"valid fraction of chirps": heard / MANY, **latency.metrics(rtts, floors)}
    unsure = latency.unsure(JUDGES, metrics, floors, busy)
    return verdict.of(
        "echo", "green", JUDGES, metrics, [], sent=MANY, valid=heard, rtts_ms=rtts, unsure=unsure
    )


@pytest.mark.parametrize(
    ("rtt", "floor", "busy", "answer"),
    [
        (150, 110, 0.3, "pass"),
        (199, 150, 0.3, "pass"),  # no room is needed where it was kept
        (175, 110, 0.3, "fail"),  # the agent takes 65 ms
        (260, 110, 0.3, "fail"),
        (230, 180, 0.3, "inconclusive"),  # 50 ms are the agent's, but the floor leaves no room
        (260, 180, 0.3, "fail"),  # 80 ms are the agent's, wherever the floor is
        (260, 180, 0.95, "inconclusive"),
        (150, None, 0.3, "inconclusive"),
        (150, 110, 0.95, "pass"),
    ],
)
def test_the_answer(rtt: float, floor: float | None, busy: float, answer: str) -> None:
    found = probe(rtt, floor, busy)
    assert found["answer"] == answer
    assert found["passed"] == (answer == "pass")
    assert (found["reason"] is None) == (answer == "pass")


def test_an_agent_that_is_not_heard_fails_on_any_host() -> None:
    assert probe(260, 180, 0.99, heard=30)["answer"] == "fail"


def test_what_went_wrong_is_a_failure_on_any_host() -> None:
    metrics = latency.metrics([300.0] * 20, [200.0] * 20)
    said = verdict.of(
        "echo", "green", JUDGES, metrics, ["agent left"], sent=1, valid=1, unsure="too busy"
    )
    assert said["answer"] == "fail"


def test_the_sentence_tells_what_the_floor_leaves() -> None:
    assert "takes 180 ms here (p95), which leaves 20 ms of 200" in probe(230, 180)["reason"]
