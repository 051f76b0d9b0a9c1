"""Agents that need something of their callers: what the profile says reaches them."""

from __future__ import annotations

import json
from pathlib import Path

from integration.harness import FAULTY, LiveKit
from integration.test_probe import A_FEW, StartAgent, events, held, probe_echo

PROFILE = {
    "room": "acme-{id}",
    "dispatch_metadata": '{"tenant": "acme"}',
    "room_metadata": "lesson 7",
    "metadata": "who",
    "attributes": {"plan": "gold"},
}
NEEDS = {
    "room": "acme-",
    "dispatch_metadata": '{"tenant": "acme"}',
    "room_metadata": "lesson 7",
    "metadata": "who",
    "plan": "gold",
    "releve.probe": "true",
}


def test_a_named_agent_with_needs_is_probed_and_held_by_name_and_profile(
    livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    needs = json.dumps(NEEDS)
    start_agent("green", script=FAULTY, FAULT="strict", NEEDS=needs, AGENT_NAME="coach", IDLE="2")
    caller = tmp_path / "caller.json"
    caller.write_text(json.dumps(PROFILE))
    by_name = ("--agent-name", "coach", "--caller", str(caller))
    done = probe_echo(livekit_server, *by_name, *A_FEW)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["valid"] >= 1

    with held(livekit_server, tmp_path, "--calls", "1", "--every", "2", *by_name) as (_, seen):
        seen("ready")
        arrival = next(e["call"] for e in [seen("open", kind="arrival")])
        assert arrival.startswith("acme-")
        seen("agent", call=arrival)
    assert not [event for event in events(tmp_path) if event["event"] == "no_agent"]


def test_a_caller_file_that_cannot_be_is_exit_2(livekit_server: LiveKit, tmp_path: Path) -> None:
    caller = tmp_path / "caller.json"
    caller.write_text("room: lesson")
    done = probe_echo(livekit_server, "--caller", str(caller), *A_FEW)
    assert done.returncode == 2
    assert "--caller" in done.stderr
    assert "with {id}" in done.stderr
