"""How many calls this host carries at p95 < 200 ms: server, green agent and probe, all on it.

`make bench NAME=load` writes var/bench/load.json. Everything is on loopback: the network adds
nothing, and the probe's own load is on the same cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from figures import figure, write

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402

COLOURS = sys.argv[1:] or ["blue", "green"]
SECONDS = 100


def climb(colour: str, directory: Path) -> dict[str, Any]:
    """The probe object of one colour's ramp."""
    with harness.running_server(directory) as server:
        agent = harness.start_agent(colour, server.url, server.keys, directory / f"{colour}.out")
        try:
            command = [Path(sys.executable).parent / "releve", "probe", "load"]
            command += ["--url", server.url, "--keys-file", server.keys_file, "--name", "load"]
            command += ["--colour", colour, "--step", "2", "--seconds", str(SECONDS)]
            command += ["--out", directory / "load.json"]
            subprocess.run(command, check=False, timeout=SECONDS + 120)
        finally:
            agent.stop()
    found: dict[str, Any] = json.loads((directory / "load.json").read_text())
    return found


def main() -> None:
    figures: dict[str, Any] = {}
    for colour in COLOURS:
        with tempfile.TemporaryDirectory() as directory:
            probe = climb(colour, Path(directory))
        load, rtt = probe["load"], probe["rtt_ms"]
        if rtt is None or not load["held"]:
            sys.exit(f"{colour} carries no call: {load['broke'] or probe['reason']}")
        memory = load["host_memory_bytes_per_call"]
        print(f"{colour}: {load['broke'] or 'nothing broke'}", flush=True)
        figures |= {
            f"{colour}_calls_held": figure(load["held"], "calls"),
            f"{colour}_rtt_p95": figure(rtt["p95"], "ms"),
            f"{colour}_host_cores_per_call": figure(load["host_cores_per_call"], "cores"),
            f"{colour}_host_memory_per_call": figure(memory / 1e6, "MB"),
            f"{colour}_probe_cores_per_call": figure(probe["cost"]["cores_per_call"], "cores"),
        }
    write("load", "server, agent and probe on one machine", figures)


if __name__ == "__main__":
    main()
