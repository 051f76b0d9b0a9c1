"""`releve probe network` against a real server with TURN, and a real agent."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path

import pytest

from integration.harness import FAULTY, running_server, start_agent
from integration.test_probe import RELEVE
from ports import free_port

CUT_SECONDS = 3
# Busy machines are slow; that the verdict follows from the figure is tested without them.
LOOSE = ("back_s_max=40", "signalling_silence_ms_max=5000", "no_udp_s_max=30", "turn_s_max=30")


def own_address() -> str:
    """One besides loopback's: WebRTC takes no TURN server on loopback. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no address besides loopback")
        address: str = probe.getsockname()[0]
        return address


def test_a_caller_whose_network_fails_keeps_the_agent(tmp_path: Path) -> None:
    udp = [free_port(socket.SOCK_DGRAM) for _ in range(2)]
    rtc = {"node_ip": own_address(), "tcp_port": free_port(), "udp_port": udp[0]}
    with running_server(tmp_path, rtc=rtc, turn={"enabled": True, "udp_port": udp[1]}) as server:
        agent = start_agent(
            "green", server.url, server.keys, tmp_path / "agent.out", FAULTY, FAULT="none"
        )
        try:
            command = [RELEVE, "probe", "network", "--url", server.url, "--name", "network"]
            command += ["--keys-file", server.keys_file, "--colour", "green"]
            command += ["--cut", str(CUT_SECONDS)]
            command += [word for limit in LOOSE for word in ("--limit", limit)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        finally:
            agent.stop()
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert (probe["sent"], probe["valid"]) == (4, 4)
    calls = {call["how"]: call for call in probe["calls"]}
    assert all(call["same"] for call in calls.values())
    # The SDK noticed, and yet the media went on; what a busy machine loses besides is its own.
    assert calls["signalling cut"]["reconnected_s"] > 0
    assert calls["signalling cut"]["back_s"] >= 0
    # Jitter buffers go on for a moment on what they have.
    assert calls["network cut"]["silence_ms"] > (CUT_SECONDS - 1) * 1000
    assert calls["no UDP"]["path"].endswith(" tcp")
    assert calls["TURN"]["path"] == "relay udp"
    assert "eyJ" not in done.stdout
    print(json.dumps(probe["calls"], indent=1), probe["network"], probe["cost"])
