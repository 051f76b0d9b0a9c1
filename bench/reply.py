"""How long a caller of either coach waits for its reply, and at green where that time goes.

`make bench NAME=reply` writes var/bench/reply.json: one call at a time, each a greeting and one
sentence, with the demo's speech services. The reply is timed by the caller, from the last sample of
the sentence to the first voice; the stages are what green's log tells of the same turns.
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from coaches import coaches
from figures import figure, write
from releve.probe.caller.join import Server
from releve.probe.suites import conversation

CALLS = 10
SENTENCE = Path(conversation.__file__).with_name("let-us-begin.wav")
STAGES = ("vad", "stt", "wait", "llm", "tts", "total")
TOLD = re.compile(r"answered, by stage \(s\): (\{[^}]*\})")


def main() -> None:
    figures = {"load_of_the_machine_before": figure(os.getloadavg()[0], "processes")}
    for coach in coaches():
        probe = asyncio.run(_measure(coach.server, coach.colour))
        log = coach.process.log.read_text()
        replies = [call["reply_s"] for call in probe["calls"] if call["reply_s"] is not None]
        if not replies:
            sys.exit(f"{coach.colour} did not answer: {probe['reason']}\n{log[-3000:]}")
        figures[f"{coach.colour}_replies"] = figure(len(replies), "replies")
        figures |= _spread(f"{coach.colour}_reply", replies)
        if coach.colour == "green":
            coach.process.stop()  # a turn is told when it is over, and the last one by the end
            figures |= _stages(coach.process.log.read_text())
    write("reply", coach.versions, figures)


async def _measure(server: Server, colour: str) -> dict[str, Any]:
    sentence = conversation.load(SENTENCE)
    return await conversation.run(server, "coach", colour, [], sentence, calls=CALLS, expect=[])


def _stages(log: str) -> dict[str, Any]:
    """Of every turn that the log tells, which are those that were answered."""
    turns = [ast.literal_eval(told) for told in TOLD.findall(log)]
    figures = {"green_turns_told": figure(len(turns), "turns")}
    for stage in STAGES:
        figures |= _spread(f"green_{stage}", [turn[stage] for turn in turns])
    return figures


def _spread(name: str, seconds: list[float]) -> dict[str, Any]:
    shares = {"p50": 50, "p95": 95} if seconds else {}
    return {
        f"{name}_{what}": figure(float(np.percentile(seconds, share)), "s")
        for what, share in shares.items()
    }


if __name__ == "__main__":
    main()
