"""The compare suite: is green as fast as blue, measured in the same seconds?

The interval of Hodges and Lehmann's shift, the median of all differences of round trips, decides;
it is the one that belongs to Mann and Whitney's U test, needs no shape of them, and no outlier
moves it. Green passes when the whole interval is within the margin, fails when the whole of it is
beyond, and otherwise the answer is inconclusive: there is not enough data.

The test takes chirps for independent. Those of one call share its jitter buffers, which differ
from call to call by some 10 ms: the margin must be wider than that, and calls several.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from releve.probe.caller.concurrently import run_all
from releve.probe.caller.join import Server
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import statistics, verdict
from releve.probe.judgement.gates import Gate
from releve.probe.judgement.statistics import LEAST_FOR_P95
from releve.probe.media import signal
from releve.probe.media.echo_search import CallAudio
from releve.probe.suites import callers, conversation
from releve.probe.suites.callers import Callers
from releve.probe.suites.echo import SETTLE_SECONDS

ERROR = 0.05  # how often chance alone may prove either
LEAST_CALLS = 2
LEAST_REPLIES = 6  # of each colour: each costs its owner a turn

Answer = Literal["pass", "fail", "inconclusive"]


@dataclass(slots=True)
class ColourResult:
    """The results of one colour: round trips of each call in milliseconds."""

    rtts_ms: list[list[float]]
    sent: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def all_ms(self) -> list[float]:
        return [rtt for rtts in self.rtts_ms for rtt in rtts]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` there is not enough data; by how much green is slower (milliseconds), at least and at
    most, each sure to 1 - ERROR; None when it was not computed.
    """

    answer: Answer
    why: str | None = None
    slower_ms: float | None = None
    low_ms: float | None = None
    high_ms: float | None = None


async def run(
    server: Server,
    beside: Server,
    name: str,
    colour: str,
    gate: Gate,
    *,
    calls: int,
    chirps: int,
) -> dict[str, Any]:
    """Call both `calls` times, one call of each at a time, and judge the first by the second.

    Not all at once, and none after one that went wrong: people talk beside them. Returns the probe
    object of report.json. Raises ServerError.
    """
    blue, green, meter = ColourResult([]), ColourResult([]), OwnCostMeter()
    for _ in range(calls):
        pair = await _side_by_side(beside, server, chirps)
        for all_of, one in zip((blue, green), pair, strict=True):
            all_of.rtts_ms += one.rtts_ms
            all_of.sent += one.sent
            all_of.failures += one.failures
        if any(one.failures for one in pair):
            break
    return probe_object(name, colour, blue, green, gate) | {"cost": meter.read(2)}


async def run_talking(
    server: Server,
    beside: Server,
    name: str,
    colour: str,
    gate: Gate,
    sentence: signal.Samples,
    *,
    calls: int,
    turns: int,
) -> dict[str, Any]:
    """As `run`, with agents that talk: the times to their replies, `turns` a call."""
    blue, green, meter = ColourResult([]), ColourResult([]), OwnCostMeter()
    for _ in range(calls):
        both = (blue, green)
        said = await run_all(
            conversation.reply_times(each, "compare", sentence, turns) for each in (beside, server)
        )
        for all_of, (replies, failure) in zip(both, said, strict=True):
            all_of.rtts_ms.append(replies)
            all_of.sent += turns
            all_of.failures += [failure] if failure else []
        if blue.failures or green.failures:
            break
    found = probe_object(name, colour, blue, green, gate, LEAST_REPLIES)
    # Not as round trips: the report would draw them among those of chirps.
    compared = found["compared"] | {"rtt_ms": None, "seconds": _seconds(blue), "calls": []}
    return found | {
        "rtt_ms": None,
        "rtt_p95_interval_ms": None,
        "seconds": _seconds(green),
        "compared": compared,
        "calls": [],
        "cost": meter.read(2),
    }


def _seconds(who: ColourResult) -> dict[str, Any]:
    replies = statistics.spread([ms / 1000 for ms in who.all_ms])
    return {} if replies is None else {"reply": replies}


async def _side_by_side(beside: Server, server: Server, chirps: int) -> list[ColourResult]:
    """One call to each."""
    both = [Callers(each, "compare", chirps) for each in (beside, server)]
    try:
        wrong = [await each.hold(1) for each in both]
        # What shakes the host shakes both: they are heard in the same seconds.
        await asyncio.sleep(SETTLE_SECONDS)
        pairs = zip(both, (0, 0.5), strict=True)
        said = await run_all(each.say([late], answered=True) for each, late in pairs)
        return [await _heard(*each) for each in zip(both, said, wrong, strict=True)]
    finally:
        await asyncio.gather(*(each.close() for each in both))


async def _heard(who: Callers, said: list[CallAudio], failures: list[str]) -> ColourResult:
    sent = sum(len(each.chirps) for each in said)
    return ColourResult(await callers.round_trips(said), sent, failures + who.problems())


def probe_object(
    name: str,
    colour: str,
    blue: ColourResult,
    green: ColourResult,
    gate: Gate,
    least: int = LEAST_FOR_P95,
) -> dict[str, Any]:
    """Judge green by blue: pure, from what was heard to the probe object, which is green's.

    Blue's part of it is under "compared", unjudged. `least`: answers of each colour without which
    there is not enough data.
    """
    judged = judge(blue, green, gate, least)
    proven = None if judged.answer == "inconclusive" else judged.slower_ms
    probe = verdict.of(
        name,
        colour,
        [gate],
        {gate.metric: proven},
        green.failures,
        sent=green.sent,
        valid=len(green.all_ms),
        rtts_ms=green.all_ms,
        unsure=judged.why,
    )
    compared = asdict(judged) | {
        "rtt_ms": verdict.percentiles(blue.all_ms),
        "failures": blue.failures,
        "calls": [{"rtts_ms": rtts} for rtts in blue.rtts_ms],
    }
    return probe | {"compared": compared, "calls": [{"rtts_ms": rtts} for rtts in green.rtts_ms]}


def judge(
    blue: ColourResult, green: ColourResult, gate: Gate, least: int = LEAST_FOR_P95
) -> Verdict:
    """Judge green against blue by the gate, whose limit is the margin in milliseconds. Pure."""
    for colour, heard in (("blue", blue), ("green", green)):
        calls = sum(bool(rtts) for rtts in heard.rtts_ms)
        if calls < LEAST_CALLS or len(heard.all_ms) < least:
            few = (
                f"{len(heard.all_ms)} answers in {calls} calls of {colour}, "
                f"at least {least} in {LEAST_CALLS} are needed"
            )
            why = [few, *(blue.failures if heard is blue else [])]  # green's are told anyway
            return Verdict("inconclusive", "; ".join(why))
    slower, low, high = shift(blue.all_ms, green.all_ms)
    figures = [round(figure, 1) for figure in (slower, low, high)]
    if gate.failure({gate.metric: high}) is None:
        return Verdict("pass", None, *figures)
    if gate.failure({gate.metric: low}) is not None:
        return Verdict("fail", None, *figures)
    unsure = f"{gate.metric} may be {figures[1]:g} to {figures[2]:g}{gate.unit}"
    return Verdict("inconclusive", unsure, *figures)


def shift(blue: Sequence[float], green: Sequence[float]) -> tuple[float, float, float]:
    """Hodges and Lehmann's shift of green, and the ends of its interval, each with ERROR."""
    differences = np.sort(np.subtract.outer(green, blue), axis=None)
    pairs, values = differences.size, len(blue) + len(green)
    reach = NormalDist().inv_cdf(1 - ERROR) * np.sqrt(pairs * (values + 1) / 12)
    first = max(0, int(np.floor(pairs / 2 - reach)))
    return (
        float(np.median(differences)),
        float(differences[first]),
        float(differences[pairs - 1 - first]),
    )
