"""How many calls this host carries at p95 < 200 ms: server, green agent and probe, all on it.

`make bench NAME=load` writes var/bench/load.json. Everything is on loopback: the network adds
nothing, and the probe's own load is on the same cores.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402

OUT = ROOT / "var" / "bench" / "load.json"
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

    def note(name: str, value: float | None, unit: str) -> None:
        figures[name] = {"value": value, "unit": unit, "limit": None, "holds": None}
        print(f"{name:44} {value} {unit}", flush=True)

    for colour in COLOURS:
        with tempfile.TemporaryDirectory() as directory:
            probe = climb(colour, Path(directory))
        load = probe["load"]
        print(f"{colour}: {load['broke'] or 'nothing broke'}", flush=True)
        note(f"{colour}_calls_held", load["held"], "calls")
        note(f"{colour}_rtt_p95", (probe["rtt_ms"] or {}).get("p95"), "ms")
        note(f"{colour}_host_cores_per_call", load["host_cores_per_call"], "cores")
        memory = load["host_memory_bytes_per_call"]
        note(f"{colour}_host_memory_per_call", memory and round(memory / 1e6, 1), "MB")
        note(f"{colour}_probe_cores_per_call", probe["cost"]["cores_per_call"], "cores")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    OUT.parent.mkdir(parents=True, exist_ok=True)
    written = {"name": "load", "machine": machine, "figures": figures}
    OUT.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
