"""Held calls to agents that talk and that listen, and two talking colours compared."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from integration.harness import FAULTY, Faulty, LiveKit
from integration.test_probe import RELEVE, StartAgent, events, held
from releve.probe.judgement import record

TALKS = ("--calls", "1", "--every", "60", "--kind", "talks", "--turn-seconds", "5")


def test_a_talker_is_held_and_its_replies_are_timed(
    livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent("green", script=FAULTY, FAULT="talks", FAULT_SECONDS="0.3", IDLE="2")
    before = ("--before-seconds", "1")
    with held(livekit_server, tmp_path, *TALKS, *before) as (sentinels, seen):
        ready = seen("ready")
        over = seen("before_over")
        replies = [e for e in events(tmp_path) if e["event"] == "reply" and e["t"] <= over["t"]]
        assert len(replies) >= 3, "what the run is compared with"
        assert all(0 < reply["ms"] < 15_000 for reply in replies)
        # Polite: it sends next to nothing between its answers, and that is no time without packets.
        agent.send(signal.SIGKILL)
        dropped = seen("dropped")
        assert "no packets for 10 s" in dropped["why"] or "agent left" in dropped["why"]
        start_agent("green", script=FAULTY, FAULT="talks", IDLE="2")
        anew = seen("reply", until=lambda e: e["call"] != dropped["call"])
        gap = seen("no_packets", until=lambda e: e["call"] == anew["call"])
        assert gap["ms"] > 1000
        sentinels.send_signal(signal.SIGTERM)
        assert sentinels.wait(60) == 0
    told = events(tmp_path)
    summary = record.summarise(told, ready["t"], dropped["t"] - 0.001)
    assert (summary["agent_kind"], summary["dropped"], summary["greeted_again"]) == ("talks", 0, 0)
    assert summary["sentinels"] == 1
    ended = {e["call"] for e in told if e["event"] in ("closed", "dropped")}
    assert ended == {e["call"] for e in told if e["event"] == "open"}


def test_an_agent_that_greets_again_has_lost_its_context(faulty: Faulty, tmp_path: Path) -> None:
    with held(faulty.be("forgets"), tmp_path, *TALKS) as (_, seen):
        seen("greeted_again")
        assert not any(event["event"] == "dropped" for event in events(tmp_path))


def test_an_agent_that_greets_and_never_answers_is_a_dropped_call(
    faulty: Faulty, tmp_path: Path
) -> None:
    with held(faulty.be("ignores"), tmp_path, *TALKS) as (_, seen):
        assert seen("dropped")["why"] == "no reply to 2 sentences in a row, 15 s each"
        told = events(tmp_path)
        assert [event["event"] for event in told].count("no_reply") == 2
        assert not any(event["event"] == "ready" for event in told)


def test_a_budget_of_turns_and_rooms_is_kept(faulty: Faulty, tmp_path: Path) -> None:
    most = ("--most-turns", "2", "--most-rooms", "0")
    with held(faulty.be("talks"), tmp_path, *TALKS, *most) as (_, seen):
        seen("budget_spent", what="rooms")
        seen("budget_spent", what="turns")
        told = events(tmp_path)
        assert [event["event"] for event in told].count("reply") == 2
        assert not any(event.get("kind") == "arrival" for event in told)


def test_a_listener_is_held_while_it_is_there_and_new_rooms_get_theirs(
    livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent("green", script=FAULTY, FAULT="mute", IDLE="2")
    listens = ("--calls", "1", "--every", "3", "--kind", "listens")
    with held(livekit_server, tmp_path, *listens) as (_, seen):
        ready = seen("ready")
        arrival = seen("open", kind="arrival")
        seen("agent", call=arrival["call"])
        seen("closed", call=arrival["call"])
        first = seen("open", kind="held")
        assert not any(event["event"] == "dropped" for event in events(tmp_path))
        agent.stop()
        assert seen("dropped", call=first["call"])["why"] == "the agent left"
    summary = record.summarise(events(tmp_path), ready["t"], ready["t"] + 0.1)
    assert (summary["agent_kind"], summary["sentinels"]) == ("listens", 1)


@pytest.mark.parametrize(("late", "code"), [("3", 1), ("0.3", 0)])
def test_two_talking_colours_are_compared_by_their_replies(
    late: str, code: int, livekit_server: LiveKit, start_agent: StartAgent
) -> None:
    for colour, seconds in (("blue", "0.3"), ("green", late)):
        name = {"AGENT_NAME": f"releve-{colour}", "FAULT_SECONDS": seconds}
        start_agent("green", script=FAULTY, FAULT="talks", **name)
    command = [RELEVE, "probe", "compare", "--name", "compare", "--colour", "green", "--talks"]
    command += ["--url", livekit_server.url, "--keys-file", livekit_server.keys_file]
    command += ["--agent-name", "releve-green", "--beside", "releve-blue"]
    for _ in range(3):  # on a busy machine the two may differ too much to tell
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        if done.returncode != 3:
            break
    found = json.loads(done.stdout)
    print(found["compared"])
    assert done.returncode == code, done.stderr
    assert found["valid"] == 6
    assert found["rtt_ms"] is None
    if code:
        assert found["compared"]["slower_ms"] > 1000
        assert "green's reply time beyond blue's is " in done.stderr
