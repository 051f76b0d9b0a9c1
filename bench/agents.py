"""What the echo agents add to a round trip, held against the floor of the same run.

`make bench NAME=agents` writes var/bench/agents.json. Blue and green by turns, one at a time, with
one call at a time; the floor, twice the way from caller to caller without any agent, after each.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from figures import figure, write

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402
from releve.probe.caller.join import Server  # noqa: E402
from releve.probe.suites import echo  # noqa: E402

ROUNDS = 3
CHIRPS = 30
ADDED_MS = 30.0  # that green may take beyond the floor, at its 95th percentile


def main() -> None:
    busy = os.getloadavg()[0]
    rtts: dict[str, list[float]] = {"blue": [], "green": []}
    floors: list[float] = []
    with tempfile.TemporaryDirectory() as folder, harness.running_server(Path(folder)) as server:
        for number in range(ROUNDS):
            for colour in rtts:
                log = Path(folder) / f"{colour}-{number}.out"
                agent = harness.start_agent(colour, server.url, server.keys, log)
                try:
                    probe = asyncio.run(_measure(Server(server.url, server.keys), colour))
                finally:
                    agent.stop()
                rtts[colour] += [rtt for call in probe["calls"] for rtt in call["rtts_ms"]]
                if probe["floor_rtt_ms"] is None or not rtts[colour]:
                    said = log.read_text()[-3000:]
                    sys.exit(f"{colour} was not heard: {probe['reason']}\n{said}")
                floors.append(probe["floor_rtt_ms"])
                print(colour, probe["rtt_ms"], "floor", probe["floor_rtt_ms"], flush=True)
    load = {"load_of_the_machine_before": figure(busy, "processes")}
    write("agents", f"LiveKit Server {server.version}", judged(rtts, floors) | load)


async def _measure(server: Server, colour: str) -> dict[str, Any]:
    return await echo.run(server, "echo", colour, [], calls=1, chirps=CHIRPS, floor=True)


def judged(rtts: dict[str, list[float]], floors: list[float]) -> dict[str, Any]:
    """Figures of all rounds together, in milliseconds; the floor is the median of its runs."""
    floor = statistics.median(floors)
    p50, p95 = (
        {colour: float(np.percentile(found, share)) for colour, found in rtts.items()}
        for share in (50, 95)
    )
    return {
        "floor_rtt": figure(floor, "ms"),
        "blue_rtt_p50": figure(p50["blue"], "ms"),
        "blue_rtt_p95": figure(p95["blue"], "ms"),
        "green_rtt_p50": figure(p50["green"], "ms"),
        "green_rtt_p95": figure(p95["green"], "ms", floor + ADDED_MS),
        "green_rtt_p95_less_blues": figure(p95["green"] - p95["blue"], "ms", 0.0),
        "blue_chirps_heard": figure(len(rtts["blue"]), "chirps"),
        "green_chirps_heard": figure(len(rtts["green"]), "chirps"),
    }


if __name__ == "__main__":
    main()
