"""Both coaches, one after the other, on a server and the demo's speech services; and the report."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402
from releve.probe.room import Server  # noqa: E402


@dataclass(frozen=True)
class Coach:
    """An agent that is registered and waits for calls."""

    colour: str
    server: Server
    version: str  # of the server
    process: harness.Process


def coaches() -> Iterator[Coach]:
    """Blue's, then green's; each ends when the next is asked for."""
    with (
        tempfile.TemporaryDirectory() as folder,
        harness.running_server(Path(folder)) as server,
        harness.running_speech(Path(folder)) as speech,
    ):
        for colour in ("blue", "green"):
            log = Path(folder) / f"{colour}.out"
            settings = {"AGENT_MODE": "coach", "COACH_URL": speech}
            agent = harness.start_agent(colour, server.url, server.keys, log, **settings)
            try:
                yield Coach(colour, Server(server.url, server.keys), server.version, agent)
            finally:
                agent.stop()


def figure(value: float, unit: str, limit: float | None = None) -> dict[str, Any]:
    holds = None if limit is None else value <= limit
    return {"value": round(value, 3), "unit": unit, "limit": limit, "holds": holds}


def write(name: str, server_version: str, figures: dict[str, Any]) -> None:
    """Print the figures, and keep them in var/bench."""
    for what, found in figures.items():
        judged = {None: "", True: "holds", False: "DOES NOT HOLD"}[found["holds"]]
        print(f"{what:32} {found['value']:8.3f} {found['unit']}  {judged}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, LiveKit Server {server_version}"
    out = ROOT / "var" / "bench" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    report = {"name": name, "machine": machine, "figures": figures}
    out.write_text(json.dumps(report, indent=2) + "\n")
