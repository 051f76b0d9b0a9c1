"""`releve probe calls`: the gate that every run must pass."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from releve.probe.cli import app

HELD = [
    {"t": 1.0, "event": "open", "call": "s1", "kind": "held"},
    {"t": 2.0, "event": "agent", "call": "s1", "identity": "agent-1"},
]


def judge(tmp_path: Path, events: list[dict[str, object]]) -> Result:
    path = tmp_path / "sentinels.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return CliRunner().invoke(app, ["calls", "--record", str(path), "--since", "3"])


def test_calls_that_go_on_pass(tmp_path: Path) -> None:
    result = judge(tmp_path, [*HELD, {"t": 9.0, "event": "rtt", "call": "s1", "ms": [120.0]}])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["sentinels"] == 1


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
    assert judge(tmp_path, [*HELD, silence | {"ms": 2900.0}]).exit_code == 0


def test_nobody_on_the_line_is_not_enough_data(tmp_path: Path) -> None:
    result = judge(tmp_path, [{"t": 4.0, "event": "started", "calls": 3, "every": 2.0}])
    assert result.exit_code == 1
    assert "sentinels is 0, at least 1 is needed" in result.stderr


def test_a_missing_record_is_exit_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["calls", "--record", str(tmp_path / "no"), "--since", "0"])
    assert result.exit_code == 2
