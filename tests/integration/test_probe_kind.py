"""`releve probe kind` against a real server and agents of every kind: what they are, or lack."""

from __future__ import annotations

import json
import subprocess

import pytest

from integration.harness import FAULTY, Faulty, LiveKit
from integration.test_probe import RELEVE, StartAgent


def probe_kind(server: LiveKit, *more: str) -> subprocess.CompletedProcess[str]:
    command = [RELEVE, "probe", "kind", "--url", server.url, "--name", "kind", "--colour", "blue"]
    command += ["--keys-file", str(server.keys_file), *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize(
    ("fault", "kind", "turns"),
    [("none", "echo", 0), ("talks", "talks", 0), ("mute", "listens", 0)],
)
def test_what_an_agent_is_takes_one_call_and_no_turn_where_it_greets(
    fault: str, kind: str, turns: int, faulty: Faulty
) -> None:
    done = probe_kind(faulty.be(fault))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["kind"], found["turns"], found["missing"]) == (kind, turns, None)
    assert found["passed"]
    assert found["agent"].startswith("agent-")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("silent", "has audio and says nothing"),
        ("shuts", "left "),  # seen while it was there, or told by the server when it was too quick
    ],
)
def test_an_agent_that_needs_something_fails_with_what_happened_and_what_it_lacked(
    fault: str, said: str, faulty: Faulty
) -> None:
    done = probe_kind(faulty.be(fault))
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["kind"] is None
    assert said in found["missing"]
    assert "our call had no agent name, no dispatch metadata" in found["missing"]
    assert found["missing"] in done.stderr


def test_an_agent_that_crashed_in_the_room_looks_like_a_listener_and_is_told_as_such(
    faulty: Faulty,
) -> None:
    server = faulty.be("strict", NEEDS='{"room": "acme-"}')
    done = probe_kind(server, "--expect", "talks")
    assert done.returncode == 1
    assert "has no audio (one that has crashed looks the same: see its log)" in done.stderr
    assert "expected is an agent that talks; our call had no agent name" in done.stderr


def test_where_no_worker_is_the_name_is_asked_after(livekit_server: LiveKit) -> None:
    done = probe_kind(livekit_server, "--agent-name", "coach")
    assert done.returncode == 1
    assert "no agent came within 10 s" in done.stderr
    assert "is one registered under the name 'coach'?" in done.stderr


def test_a_green_that_is_another_kind_than_blue_fails(faulty: Faulty) -> None:
    done = probe_kind(faulty.be("mute"), "--expect", "talks")
    assert done.returncode == 1
    assert "has no audio" in done.stderr
    assert "expected is an agent that talks" in done.stderr
    assert probe_kind(faulty.server, "--expect", "sings").returncode == 2


def test_a_named_agent_is_called_by_its_name(
    livekit_server: LiveKit, start_agent: StartAgent
) -> None:
    start_agent("green", script=FAULTY, FAULT="none", AGENT_NAME="coach")
    done = probe_kind(livekit_server, "--agent-name", "coach")
    assert json.loads(done.stdout)["kind"] == "echo", done.stderr
