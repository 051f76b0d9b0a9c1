"""`releve probe soak` and `compare` against a real server and real agents."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from integration.harness import Faulty, LiveKit
from integration.test_probe import RELEVE


def probe_soak(
    server: LiveKit, record: Path, seconds: int, *more: str
) -> subprocess.CompletedProcess[str]:
    command = [RELEVE, "probe", "soak", "--url", server.url, "--name", "soak", "--record", record]
    command += ["--keys-file", str(server.keys_file), "--colour", "green", "--calls", "1"]
    command += ["--seconds", str(seconds), *more]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 150, check=False
    )


def test_a_steady_agent_is_held_and_its_drift_has_an_interval(
    faulty: Faulty, tmp_path: Path
) -> None:
    # What a minute can tell of a drift is the machine's; that it is told is ours.
    loose = ["drift_ms_per_min_max=100000", "silence_ms_max=5000", "valid_fraction_min=0.4"]
    limits = [word for limit in loose for word in ("--limit", limit)]
    done = probe_soak(faulty.be("none"), tmp_path / "r.jsonl", 55, *limits)
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    drift = probe["drift_ms_per_min"]
    assert drift["low"] <= drift["slope"] <= drift["high"]
    assert probe["sent"] >= probe["valid"] >= 20
    assert len(probe["calls"]) == 1
    assert 0 < probe["cost"]["cores_per_call"] < 2
    print({key: probe[key] for key in ("rtt_ms", "drift_ms_per_min", "cost")})


def test_an_agent_that_leaves_before_the_soak_is_over_fails_it(
    faulty: Faulty, tmp_path: Path
) -> None:
    done = probe_soak(faulty.be("leaves", FAULT_SECONDS="6"), tmp_path / "r.jsonl", 14)
    assert done.returncode == 1
    assert "was dropped: the agent left, or its audio ended" in done.stderr
    assert re.search(r"dropped is \d+, at most 0 is needed", done.stderr), done.stderr
