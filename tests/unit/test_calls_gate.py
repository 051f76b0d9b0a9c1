"""`releve probe calls`: the gate that every run must pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from releve.probe.cli import app

HELD: list[dict[str, object]] = [
    {"t": 1.0, "event": "open", "call": "s1", "kind": "held"},
    {"t": 2.0, "event": "agent", "call": "s1", "identity": "agent-1"},
    *(
        {"t": 2.0 + k / 20, "event": "rtt", "call": "s1", "ms": [120.0], "said": 1}
        for k in range(40)
    ),
]


def judge(tmp_path: Path, events: list[dict[str, object]]) -> Result:
    path = tmp_path / "sentinels.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return CliRunner().invoke(app, ["calls", "--record", str(path), "--since", "3"])


def test_calls_that_go_on_pass(tmp_path: Path) -> None:
    result = judge(tmp_path, [*HELD, {"t": 9.0, "event": "rtt", "call": "s1", "ms": [120.0]}])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["sentinels"] == 1
    assert found["harm"]["p95_before_ms"] == found["harm"]["p95_during_ms"] == 120.0


@pytest.mark.parametrize(
    ("event", "metric"),
    [
        ({"event": "dropped", "why": "agent left"}, "dropped"),
        ({"event": "two_agents", "identities": ["a", "b"]}, "with_two_agents"),
    ],
)
def test_one_bad_call_fails_and_is_named(
    tmp_path: Path, event: dict[str, object], metric: str
) -> None:
    result = judge(tmp_path, [*HELD, {"t": 5.0, "call": "s1", **event}])
    assert result.exit_code == 1
    assert f"{metric} is 1, at most 0 is needed" in result.stderr
    assert result.stderr.endswith(f"; evidence: {tmp_path / 'sentinels.jsonl'}\n")


def test_a_silence_in_which_people_hang_up_fails(tmp_path: Path) -> None:
    silence = {"t": 9.0, "event": "silence", "call": "s1", "ms": 3100.0}
    result = judge(tmp_path, [*HELD, silence])
    assert result.exit_code == 1
    assert "longest_silence_ms is 3100 ms, below 3000 ms is needed" in result.stderr


def test_a_run_that_people_notice_fails_and_one_that_nobody_can_judge_has_a_code_of_its_own(
    tmp_path: Path,
) -> None:
    silence = {"t": 9.0, "event": "silence", "call": "s1", "ms": 700.0}
    noticed = judge(tmp_path, [*HELD, silence])
    assert noticed.exit_code == 1
    assert "silence of held calls that was not there before is 700 ms" in noticed.stderr
    before = {"t": 2.9, "event": "silence", "call": "s1", "ms": 600.0}
    unsure = judge(tmp_path, [*HELD, before, silence])
    assert unsure.exit_code == 3
    assert unsure.stderr.startswith("gate harm is inconclusive: held calls were silent for 600 ms")


def test_nobody_on_the_line_is_not_enough_data(tmp_path: Path) -> None:
    result = judge(tmp_path, [{"t": 4.0, "event": "started", "calls": 3, "every": 2.0}])
    assert result.exit_code == 1
    assert "sentinels is 0, at least 1 is needed" in result.stderr


def test_a_missing_record_is_exit_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["calls", "--record", str(tmp_path / "no"), "--since", "0"])
    assert result.exit_code == 2
