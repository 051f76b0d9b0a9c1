"""`releve probe compare` on two real agents, called in the same seconds."""

from __future__ import annotations

import json
import subprocess

from integration.harness import FAULTY, LiveKit
from integration.test_probe import RELEVE, StartAgent


def test_a_green_a_second_behind_blue_is_proven_slower(
    livekit_server: LiveKit, start_agent: StartAgent
) -> None:
    start_agent("green", script=FAULTY, FAULT="none", AGENT_NAME="releve-blue")
    late = {"FAULT": "slow", "FAULT_SECONDS": "1", "AGENT_NAME": "releve-green"}
    start_agent("green", script=FAULTY, **late)
    command = [RELEVE, "probe", "compare", "--name", "compare", "--colour", "green"]
    command += ["--url", livekit_server.url, "--keys-file", livekit_server.keys_file]
    command += ["--agent-name", "releve-green", "--beside", "releve-blue", "--chirps", "14"]
    for _ in range(3):  # a machine too busy to hear one of them has "inconclusive"
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        compared = json.loads(done.stdout)["compared"]
        if compared["answer"] != "inconclusive":
            break
    assert done.returncode == 1, done.stderr
    assert compared["answer"] == "fail", compared
    assert compared["slower_ms"] > 100  # a second is far beyond what a busy machine does to either
    assert "green's RTT beyond blue's is " in done.stderr
    assert "at most " in done.stderr
