"""`releve probe connect` against a real server and real agents."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace

import pytest

from integration.harness import Faulty, LiveKit
from integration.test_probe import RELEVE
from releve.probe.caller.bad_tokens import try_bad_tokens
from releve.probe.caller.join import Server


def probe_connect(server: LiveKit, *more: str) -> subprocess.CompletedProcess[str]:
    command = [RELEVE, "probe", "connect", "--url", server.url, "--name", "connect"]
    command += ["--keys-file", str(server.keys_file), "--colour", "green", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_calls_get_their_agent_and_bad_tokens_are_refused(faulty: Faulty) -> None:
    loose = ["--limit", "join_s_max=30", "--limit", "agent_audio_s_max=30"]
    done = probe_connect(faulty.be("none"), "--row", "2", "--at-once", "2", *loose)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert (probe["sent"], probe["valid"]) == (4, 4)
    for call in probe["calls"]:
        assert 0 < call["connect_s"] <= call["agent_audio_s"]
        assert call["agent_s"] <= call["agent_audio_s"]
    assert [call["how"] for call in probe["calls"]] == ["in a row"] * 2 + ["at once"] * 2
    assert [refusal["right"] for refusal in probe["refusals"]] == [True] * 4
    assert "eyJ" not in done.stdout
    assert probe["cost"]["cpu_s"] > 0
    print(probe["seconds"], probe["cost"])


@pytest.mark.parametrize(
    ("fault", "more", "sentence"),
    [
        ("mute", {}, "came without audio within 10 s"),
        ("none", {"IDENTITY": "coach"}, "the app would not find agent coach"),
    ],
)
def test_an_agent_no_user_would_hear_fails_by_its_figure(
    fault: str, more: dict[str, str], sentence: str, faulty: Faulty
) -> None:
    done = probe_connect(faulty.be(fault, **more), "--row", "1", "--at-once", "0")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert re.search(r"fraction of calls with an agent's audio is 0, at least 1", done.stderr)


async def test_a_server_that_is_not_there_is_no_refusal(livekit_server: LiveKit) -> None:
    """Only the answer "not authorised" counts: a server that is down refuses nobody."""
    server = Server(livekit_server.url, livekit_server.keys)
    gone = replace(server, url="ws://127.0.0.1:9")
    assert [refusal.right for refusal in await try_bad_tokens(gone)] == [False] * 4
    assert [refusal.right for refusal in await try_bad_tokens(server)] == [True] * 4
