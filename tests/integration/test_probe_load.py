"""`releve probe load` against a real server and a real agent."""

from __future__ import annotations

import json
import subprocess

from integration.harness import Faulty
from integration.test_probe import RELEVE


def test_calls_are_held_together_and_the_host_is_measured_meanwhile(faulty: Faulty) -> None:
    server = faulty.be("none")
    command = [RELEVE, "probe", "load", "--url", server.url, "--name", "load"]
    command += ["--keys-file", str(server.keys_file), "--colour", "green"]
    command += ["--calls", "2", "--step", "2", "--limit", "rtt_p95_ms_max=3000"]
    command += ["--limit", "valid_fraction_min=0.5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 calls: held" in done.stderr
    probe = json.loads(done.stdout)
    assert (probe["load"]["held"], probe["load"]["broke"]) == (2, None)
    assert probe["valid"] == len(probe["calls"][0]["rtts_ms"]) >= 24
    stage = probe["load"]["stages"][0]
    assert (stage["calls"], stage["sent"], stage["failures"]) == (2, 48, [])
    assert stage["host"]["cores"] > 0
    assert probe["cost"]["cpu_s"] > 0
