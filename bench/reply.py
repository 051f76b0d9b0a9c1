"""How long a caller of either coach waits for its reply, and at green where that time goes.

`make bench NAME=reply` writes var/bench/reply.json: one call at a time, each a greeting and one
sentence, with the demo's speech services. The reply is timed by the caller, from the last sample of
the sentence to the first voice; the stages are what green's log tells of the same turns.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import platform
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402
from releve.probe import conversation  # noqa: E402
from releve.probe.room import Server  # noqa: E402

OUT = ROOT / "var" / "bench" / "reply.json"
CALLS = 10
SENTENCE = Path(conversation.__file__).with_name("let-us-begin.wav")
STAGES = ("vad", "stt", "wait", "llm", "tts", "total")
TOLD = re.compile(r"answered, by stage \(s\): (\{[^}]*\})")


def main() -> None:
    OUT.parent.mkdir(parents=True, exist_ok=True)
    busy = os.getloadavg()[0]
    figures: dict[str, Any] = {}
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
                probe = asyncio.run(_measure(Server(server.url, server.keys), colour))
            finally:
                agent.stop()
            replies = [call["reply_s"] for call in probe["calls"] if call["reply_s"] is not None]
            if not replies:
                sys.exit(f"{colour} did not answer: {probe['reason']}\n{log.read_text()[-3000:]}")
            figures[f"{colour}_replies"] = _figure(len(replies), "replies")
            figures |= _spread(f"{colour}_reply", replies)
            if colour == "green":
                figures |= _stages(log.read_text())
    figures["load_of_the_machine_before"] = _figure(busy, "processes")
    for name, found in figures.items():
        print(f"{name:32} {found['value']:8.3f} {found['unit']}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, LiveKit Server {server.version}"
    report = {"name": "reply", "machine": machine, "figures": figures}
    OUT.write_text(json.dumps(report, indent=2) + "\n")


async def _measure(server: Server, colour: str) -> dict[str, Any]:
    sentence = conversation.load(SENTENCE)
    return await conversation.run(server, "coach", colour, [], sentence, calls=CALLS, expect=[])


def _stages(log: str) -> dict[str, Any]:
    """Of every turn that the log tells, which are those that were answered."""
    turns = [ast.literal_eval(told) for told in TOLD.findall(log)]
    figures = {"green_turns_told": _figure(len(turns), "turns")}
    for stage in STAGES:
        figures |= _spread(f"green_{stage}", [turn[stage] for turn in turns])
    return figures


def _spread(name: str, seconds: list[float]) -> dict[str, Any]:
    shares = {"p50": 50, "p95": 95} if seconds else {}
    return {
        f"{name}_{what}": _figure(float(np.percentile(seconds, share)), "s")
        for what, share in shares.items()
    }


def _figure(value: float, unit: str) -> dict[str, Any]:
    return {"value": round(value, 3), "unit": unit, "limit": None, "holds": None}


if __name__ == "__main__":
    main()
