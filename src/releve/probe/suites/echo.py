"""The echo suite: calls to an agent that echoes, the round trip of chirps, and the floor.

One call after the other, because other calls share the host. Without an agent a call takes 12 s at
most, with one 10 s + CHIRP_GAP x chirps + 14 s; the floor takes some 5 s before and 5 s after.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from releve.probe.caller import agent_check
from releve.probe.caller import floor as floors
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.host.capacity import CpuMeter
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import latency, verdict
from releve.probe.judgement.gates import Gate
from releve.probe.judgement.latency import RTT_P95
from releve.probe.judgement.statistics import LEAST_FOR_P95
from releve.probe.media import echo_search, signal, webrtc
from releve.probe.media.echo_search import CallAudio, Frames

SETTLE_SECONDS = 3.0  # the start of a job shakes the jitter buffers; a call is what comes after
CHIRP_GAP = 0.25
ANSWER_LOOKS = 0.1  # seconds between looks for the last chirp's answer


@dataclass(slots=True)
class CallResult:
    """One call's evidence; times in seconds since it was opened, delays in milliseconds."""

    room: str
    identity: str | None = None
    agents_seen: list[str] = field(default_factory=list)
    connect_s: float | None = None
    agent_audio_s: float | None = None
    sent: int = 0
    rtts_ms: list[float] = field(default_factory=list)
    snr_db: float | None = None
    longest_silence_ms: float | None = None
    heard: webrtc.Statistics | None = None
    said: webrtc.Statistics | None = None
    failure: str | None = None


async def run(
    server: Server,
    name: str,
    colour: str,
    judges: Sequence[Gate],
    *,
    calls: int,
    chirps: int,
    floor: bool,
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json. Raises ServerError."""
    if not floor:  # without the floor the agent's own share is unknown
        judges = [gate for gate in judges if gate.metric != latency.OWN_SHARE]
    # Around the calls and not beside them: its own load would be heard in their round trips.
    floor_ms = await floors.measure(server) if floor else []
    meter, started, host = OwnCostMeter(), datetime.now(UTC), CpuMeter()
    results = [await _talk(server, chirps) for _ in range(calls)]
    cost, ended, busy = meter.read(1), datetime.now(UTC), host.share()
    if floor and any(result.rtts_ms for result in results):
        floor_ms += await floors.measure(server)
    asked = calls * chirps
    probe = probe_object(name, colour, results, floor_ms, judges, asked=asked, busy_share=busy)
    # By the calendar: a reboot sets the other clock back.
    return probe | {"from": started.isoformat(), "to": ended.isoformat(), "cost": cost}


def too_few(judges: Sequence[Gate], calls: int, chirps: int) -> str | None:
    """What to change when so few chirps can never satisfy the gates, else None."""
    timed = any(gate.metric in (RTT_P95, latency.OWN_SHARE) for gate in judges)
    if calls * chirps >= LEAST_FOR_P95 or not timed:
        return None
    return (
        f"--calls {calls} with --chirps {chirps} say {calls * chirps} chirps; {RTT_P95} needs at "
        f"least {LEAST_FOR_P95}: raise one, or judge by other gates alone (--gate)"
    )


def probe_object(
    name: str,
    colour: str,
    results: list[CallResult],
    floor_ms: Sequence[float],
    judges: Sequence[Gate],
    *,
    asked: int,
    busy_share: float | None = None,
) -> dict[str, Any]:
    """Judge the calls' results: pure, from evidence to the probe object.

    The valid fraction is of the chirps asked for, so a call cut short cannot pass on the few
    it had sent.
    """
    rtts = [rtt for result in results for rtt in result.rtts_ms]
    metrics = {
        "valid fraction of chirps": len(rtts) / asked if asked else None,
        **latency.metrics(rtts, floor_ms),
    }
    silences = [r.longest_silence_ms for r in results if r.longest_silence_ms is not None]
    clear = [result.snr_db for result in results if result.snr_db is not None]
    said = [result.failure for result in results if result.failure is not None]
    judged = verdict.of(
        name,
        colour,
        judges,
        metrics,
        said,
        sent=sum(result.sent for result in results),
        valid=len(rtts),
        rtts_ms=rtts,
        floor_rtt_ms=round(float(np.median(floor_ms)), 1) if floor_ms else None,
        longest_silence_ms=max(silences, default=None),
        unsure=latency.unsure(judges, metrics, floor_ms, busy_share),
    )
    return judged | {
        "floor": {"rtts_ms": list(floor_ms), "rtt_ms": verdict.percentiles(floor_ms)},
        "host_busy_share": busy_share,
        "snr_db": round(float(np.median(clear)), 1) if clear else None,
        "webrtc": {
            "heard": webrtc.combine(result.heard for result in results),
            "said": webrtc.combine(result.said for result in results),
        },
        "calls": [asdict(result) for result in results],
    }


async def _talk(server: Server, chirps: int) -> CallResult:
    """Hold one call, say the chirps, and find them in what came back."""
    call = Call(server, server.new_room("echo"))
    result, said = CallResult(call.room_name), CallAudio(call.bed_hertz)
    try:
        await call.open()
        result.connect_s = round(call.connected - call.opened, 3)
        result.failure = await _converse(call, chirps, result, said)
    finally:
        said.until = time.monotonic()
        result.heard, result.said = await call.statistics(result.identity)
        result.agents_seen = [agent.identity for agent in call.seen]
        said.heard = [
            frame for who, sink in call.sinks if who == result.identity for frame in sink.frames()
        ]
        await call.close()
    result.sent = len(said.chirps)
    heard = await asyncio.to_thread(echo_search.analyse, said, signal.LONGEST_RTT)
    result.rtts_ms, result.snr_db = heard.rtts_ms, heard.snr_db
    result.longest_silence_ms = heard.longest_silence_ms
    return result


async def _converse(call: Call, chirps: int, result: CallResult, said: CallAudio) -> str | None:
    """The call from the agent's arrival to the last echo; a sentence when it went wrong."""
    result.identity, problem = await agent_check.agent(call)
    if problem is not None:
        return problem
    assert result.identity is not None
    result.agent_audio_s = round(time.monotonic() - call.opened, 3)
    await call.wait(partial(agent_check.has_problem, call), SETTLE_SECONDS)
    for number in range(chirps):
        if problem := agent_check.problem(call, number):
            return problem
        said.chirps.append(await call.say(number))
        pause = said.chirps[-1][1] + CHIRP_GAP - time.monotonic()
        await call.wait(partial(agent_check.has_problem, call), pause)
    if said.chirps:
        await answered(call, result.identity, *said.chirps[-1])
    return agent_check.problem(call, chirps)


async def answered(call: Call, agent: str, chirp: signal.Samples, at: float) -> None:
    """Wait until that chirp came back (LONGEST_RTT at most) and for the frames that time it."""
    deadline = at + signal.LONGEST_RTT
    while time.monotonic() < deadline and not agent_check.has_problem(call):
        sinks = [sink.frames() for who, sink in call.sinks if who == agent]
        if await asyncio.to_thread(_heard, sinks, chirp, at):
            break
        await call.wait(partial(agent_check.has_problem, call), ANSWER_LOOKS)
    await call.wait(partial(agent_check.has_problem, call), signal.SETTLE)


def _heard(sinks: list[Frames], chirp: signal.Samples, at: float) -> bool:
    late = [[frame for frame in frames if frame[0] >= at] for frames in sinks]
    return any(signal.find(chirp, signal.Recording(frames).samples) for frames in late if frames)
