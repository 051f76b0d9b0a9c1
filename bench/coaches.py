"""Both coaches, one after the other, on a server and the demo's speech services."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402
from releve.probe.caller.join import Server  # noqa: E402


@dataclass(frozen=True)
class Coach:
    """An agent that is registered and waits for calls."""

    colour: str
    server: Server
    versions: str  # of what it speaks to
    process: harness.Process


def coaches() -> Iterator[Coach]:
    """Blue's, then green's; each ends when the next is asked for."""
    with (
        tempfile.TemporaryDirectory() as folder,
        harness.running_server(Path(folder)) as server,
        harness.running_speech(Path(folder)) as speech,
    ):
        versions = f"LiveKit Server {server.version}"
        for colour in ("blue", "green"):
            log = Path(folder) / f"{colour}.out"
            settings = {"AGENT_MODE": "coach", "COACH_URL": speech}
            agent = harness.start_agent(colour, server.url, server.keys, log, **settings)
            try:
                yield Coach(colour, Server(server.url, server.keys), versions, agent)
            finally:
                agent.stop()
