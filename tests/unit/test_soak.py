"""A soak passes on calls that stay as they are, and tells by its figure what did not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from releve.probe.cli import app
from releve.probe.judgement import gates
from releve.probe.suites import soak

COST: dict[str, float | None] = {"cpu_s": 1.0, "cores_per_call": 0.02}
Events = list[dict[str, Any]]


def held(slope: float = 0.0, seconds: int = 600, every: int = 1) -> Events:
    """Two calls, a chirp a second, on a rising round trip (ms a minute)."""
    events: Events = []
    for n in range(2):
        room = f"held-{n}"
        events.append({"t": 0.0, "event": "open", "call": room, "kind": "held"})
        for t in range(seconds):
            ms = [150.0 + 5 * n + slope * t / 60 + (t * 7919 % 13) / 4] if t % every == 0 else []
            events.append({"t": float(t), "event": "rtt", "call": room, "ms": ms, "said": 1})
        events.append({"t": float(seconds), "event": "closed", "call": room})
    return events + weighed(seconds=seconds)


def weighed(growth: float = 0.0, seconds: int = 600, until: float = 1e9) -> Events:
    """An agent that starts jobs until everybody hears it, and then grows (MB a minute)."""
    events: Events = [{"t": -10.0, "event": "memory", "bytes": 90_000_000}]
    events.append({"t": 0.0, "event": "ready"})
    for t in range(0, seconds, 2):
        wobble = (t * 7919 % 13) * 1e5
        grown = growth * min(t, until) / 60
        events.append({"t": float(t), "event": "memory", "bytes": int(2e8 + 1e6 * grown + wobble)})
    return events


def judge(events: Events, asked: int = 2) -> dict[str, Any]:
    return soak.probe_object("soak", "green", events, gates.of("soak"), COST, asked=asked)


def test_calls_that_stay_as_they_are_pass() -> None:
    probe = judge(held())
    assert probe["passed"] is True, probe["reason"]
    assert (probe["sent"], probe["valid"]) == (1200, 1200)
    drift = probe["drift_ms_per_min"]
    assert drift["low"] <= 0 <= drift["high"] < 0.2
    assert drift["p"] > 0.05
    memory = probe["memory"]
    assert memory["mb_per_min"]["low"] <= 0 <= memory["mb_per_min"]["high"]
    assert memory["first_bytes"] == pytest.approx(2e8, rel=0.02), "not of the jobs' start"


def test_a_drift_fails_by_its_figure() -> None:
    probe = judge(held(slope=3.0))
    assert "RTT drift, upper end of its 95 % interval is 3." in probe["reason"]
    assert "at most 1 ms/min is needed" in probe["reason"]


def without_memory(events: Events) -> Events:
    return [event for event in events if event["event"] not in ("memory", "ready")]


def test_an_agent_that_surely_grows_fails_by_its_figure() -> None:
    probe = judge(without_memory(held()) + weighed(growth=4.0))
    assert "growth of the agent's memory, lower end of its 95 % interval is 3." in probe["reason"]
    assert "at most 1 MB/min is needed" in probe["reason"]
    assert probe["memory"]["mb_per_min"]["p"] < 0.001
    assert probe["memory"]["last_bytes"] - probe["memory"]["first_bytes"] == pytest.approx(
        4e7, rel=0.1
    )


def test_an_agent_that_grew_at_first_and_then_no_more_passes() -> None:
    assert judge(without_memory(held()) + weighed(growth=60.0, until=20))["passed"] is True


def test_a_memory_that_was_not_looked_at_often_enough_is_not_enough_data() -> None:
    probe = judge(without_memory(held()) + weighed(seconds=30))
    assert "growth of the agent's memory, lower end of its 95 % interval: not" in probe["reason"]


def test_a_memory_that_goes_out_of_sight_fails_the_soak() -> None:
    why = "the agent's memory cannot be read any more: No such file or directory"
    assert why in judge([*held(), {"t": 300.0, "event": "memory_gone", "why": why}])["reason"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"event": "reconnecting"}, "reconnects is 1, at most 0"),
        ({"event": "silence", "ms": 1500.0}, "longest silence is 1500 ms, below 1000 ms"),
        ({"event": "dropped", "why": "agent left"}, "held-0 was dropped: agent left"),
        ({"event": "two_agents", "identities": ["a", "b"]}, "two agents in held-0"),
    ],
)
def test_what_happens_to_a_call_fails_the_soak(event: dict[str, Any], said: str) -> None:
    probe = judge([*held(), {"t": 99.0, "call": "held-0", **event}])
    assert probe["passed"] is False
    assert said in probe["reason"]


def test_chirps_that_do_not_come_back_fail_it() -> None:
    assert "valid fraction of chirps is 0.5, at least 0.95" in judge(held(every=2))["reason"]


def test_nothing_heard_is_not_enough_data() -> None:
    probe = judge([{"t": 1.0, "event": "open", "call": "held-0", "kind": "held"}])
    assert probe["reason"].count("not enough data") == 4
    assert "0 of 2 calls heard their echo" in probe["reason"]


def test_a_call_that_was_never_heard_is_told() -> None:
    assert "2 of 3 calls heard their echo" in judge(held(), asked=3)["reason"]


def test_a_folder_that_accounts_for_no_memory_is_refused_before_any_call(tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text("key: a-secret-of-thirty-two-characters\n")
    keys.chmod(0o600)
    command = ["soak", "--url", "ws://127.0.0.1:1", "--keys-file", str(keys), "--name", "soak"]
    command += ["--colour", "green", "--record", str(tmp_path / "r"), "--agent-cgroup"]
    for folder, why in ((tmp_path / "gone", "No such file"), (tmp_path, "no memory account")):
        done = CliRunner().invoke(app, [*command, str(folder)])
        assert done.exit_code == 2
        assert f"--agent-cgroup {folder}: {why}" in done.stderr
