"""The echo suite: calls to an agent that echoes, chirps timed there and back, the floor beside.

Never longer than about 12 s without an agent, and 10 s + CHIRP_GAP x chirps + 12 s with one.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from releve.probe import gates, signal
from releve.probe.call import Call, new_room_name
from releve.probe.room import Server

Frames = list[tuple[float, signal.Pcm]]

AGENT_SECONDS = 10.0  # from opening the call until an agent's audio track
HEARD_SECONDS = 5.0  # from that track until our bed tone comes back
SETTLE_SECONDS = 3.0  # the start of a job shakes the jitter buffers; a call is what comes after
CHIRP_GAP = 0.35
LONGEST_RTT = 1.2
LEAST_FOR_P95 = 20  # of fewer values the 95th percentile is just the largest
FLOOR_CHIRPS = 16
NOBODY = "releve-nobody"  # an agent name no worker has: the floor's room gets no agent


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
    longest_silence_ms: float = 0.0
    failure: str | None = None


@dataclass(slots=True)
class _Said:
    """What is needed, after the call, to find its chirps in what was heard."""

    bed_hertz: int
    chirps: list[tuple[signal.Samples, float]] = field(default_factory=list)
    heard: Frames = field(default_factory=list)
    until: float = 0.0


async def run(
    server: Server, name: str, colour: str, *, calls: int, chirps: int, floor: bool
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json. Raises ServerError."""
    outcomes = await asyncio.gather(
        *(_talk(server, chirps) for _ in range(calls)), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    results = [outcome for outcome in outcomes if isinstance(outcome, CallResult)]
    # After the calls and not beside them: its own load would be heard in their round trips.
    floor_ms = (
        await measure_floor(Server(server.url, server.keys, NOBODY))
        if floor and any(result.rtts_ms for result in results)
        else None
    )
    return probe_object(name, colour, results, floor_ms, asked=calls * chirps)


def probe_object(
    name: str, colour: str, results: list[CallResult], floor_ms: object, *, asked: int
) -> dict[str, Any]:
    """Judge the calls' results: pure, from evidence to the probe object.

    The valid fraction is of the chirps asked for, so a call cut short cannot pass on the few
    it had sent.
    """
    rtts = [rtt for result in results for rtt in result.rtts_ms]
    p50, p95, p99 = np.percentile(rtts, [50, 95, 99]).round(1).tolist() if rtts else [None] * 3
    metrics = {
        "valid fraction of chirps": len(rtts) / asked if asked else None,
        "RTT p95": p95 if len(rtts) >= LEAST_FOR_P95 else None,
    }
    said = [result.failure for result in results if result.failure is not None]
    said += gates.failures(gates.ECHO, metrics)
    return {
        "name": name,
        "colour": colour,
        "sent": sum(result.sent for result in results),
        "valid": len(rtts),
        "rtt_ms": {"p50": p50, "p95": p95, "p99": p99} if rtts else None,
        "floor_rtt_ms": floor_ms,
        "longest_silence_ms": max((r.longest_silence_ms for r in results), default=0.0),
        "gate": {gate.key: gate.limit for gate in gates.ECHO},
        "passed": not said,
        "reason": "; ".join(said) or None,
        "calls": [
            {
                "room": result.room,
                "identity": result.identity,
                "agents_seen": result.agents_seen,
                "connect_s": result.connect_s,
                "agent_audio_s": result.agent_audio_s,
                "sent": result.sent,
                "rtts_ms": result.rtts_ms,
                "longest_silence_ms": result.longest_silence_ms,
                "failure": result.failure,
            }
            for result in results
        ],
    }


async def _talk(server: Server, chirps: int) -> CallResult:
    """Hold one call, say the chirps, and find them in what came back."""
    call = Call(server, new_room_name("echo"))
    result, said = CallResult(call.room_name), _Said(call.bed_hertz)
    try:
        await call.open()
        result.connect_s = round(call.connected - call.opened, 3)
        result.failure = await _converse(call, chirps, result, said)
    finally:
        said.until = time.monotonic()
        result.agents_seen = [agent.identity for agent in call.seen]
        said.heard = [
            frame for who, ear in call.ears if who == result.identity for frame in ear.frames()
        ]
        await call.close()
    result.sent = len(said.chirps)
    await asyncio.to_thread(_analyse, said, result)
    return result


async def _converse(call: Call, chirps: int, result: CallResult, said: _Said) -> str | None:
    """The call from the agent's arrival to the last echo; a sentence when it went wrong."""
    patience = call.opened + AGENT_SECONDS - time.monotonic()
    if not await call.wait(lambda: bool(call.audible or call.lost), patience):
        came = f"{call.seen[0].identity} came without audio" if call.seen else "no agent came"
        return f"{came} within {AGENT_SECONDS:.0f} s of opening {call.room_name}"
    if trouble := _trouble(call, 0):
        return trouble
    agent = call.audible[0].identity
    result.identity = agent
    if not await _hears_bed(call):
        return _trouble(call, 0) or (
            f"agent {agent} is silent: nothing we said came back within {HEARD_SECONDS:.0f} s "
            f"of its audio track in {call.room_name}"
        )
    result.agent_audio_s = round(time.monotonic() - call.opened, 3)
    await call.wait(partial(_troubled, call), SETTLE_SECONDS)
    for number in range(chirps):
        if trouble := _trouble(call, number):
            return trouble
        said.chirps.append(await call.say(number))
        pause = said.chirps[-1][1] + CHIRP_GAP - time.monotonic()
        await call.wait(partial(_troubled, call), pause)
    await call.wait(partial(_troubled, call), LONGEST_RTT)
    return _trouble(call, chirps)


def _trouble(call: Call, sent: int) -> str | None:
    if call.lost is not None:
        return f"connection to {call.room_name} lost after {sent} chirps: {call.lost}"
    if not call.audible:
        return f"agent left {call.room_name} after {sent} chirps"
    if call.most_present > 1:
        return f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    return None


def _troubled(call: Call) -> bool:
    return _trouble(call, 0) is not None


async def _hears_bed(call: Call) -> bool:
    """Wait until the last frames hold our bed tone; they are looked at ten times a second."""
    deadline = time.monotonic() + HEARD_SECONDS
    while time.monotonic() < deadline and not _troubled(call):
        for _, ear in call.ears:
            frames = ear.frames()[-20:]
            if frames and len(signal.Recording(frames).bed_heard(call.bed_hertz)) >= 3:
                return True
        await call.wait(partial(_troubled, call), 0.1)
    return False


def _analyse(said: _Said, result: CallResult) -> None:
    if not said.heard:
        return
    recording = signal.Recording(said.heard)
    delays = [recording.delay(chirp, at, LONGEST_RTT) for chirp, at in said.chirps]
    result.rtts_ms = [round(delay * 1000, 2) for delay in delays if delay is not None]
    heard = recording.bed_heard(said.bed_hertz)
    if len(heard):
        silences = signal.gaps(heard, float(heard[0]), said.until)
        result.longest_silence_ms = round(max((b - a for a, b in silences), default=0.0) * 1000, 1)


async def measure_floor(server: Server) -> float | None:
    """Twice the median delay from caller to caller through the server, in milliseconds.

    Two callers hear each other, with the same mic, ear and arithmetic as a call: what an echo
    takes beyond it is the agent's. (Jitter buffers differ from call to call by 10 ms or so, and
    this one has two, so an agent that adds nothing can come out a little below it.)
    None when fewer than half of the chirps were heard.
    """
    room_name = new_room_name("floor")
    # Named as agents, so that each is what the other listens to.
    pair = [Call(server, room_name, identity=f"floor-agent-{side}") for side in "ab"]
    said: list[list[tuple[signal.Samples, float]]] = [[], []]
    heard: list[Frames] = []
    try:
        for call in pair:
            await call.open()
        met = [call.wait(partial(_has_ear, call), HEARD_SECONDS) for call in pair]
        if all(await asyncio.gather(*met)):
            await asyncio.sleep(SETTLE_SECONDS)
            for number in range(FLOOR_CHIRPS):
                said[number % 2].append(await pair[number % 2].say(number))
                await asyncio.sleep(CHIRP_GAP)
            await asyncio.sleep(LONGEST_RTT / 2)
            heard = [call.ears[0][1].frames() for call in reversed(pair)]
    finally:
        await asyncio.gather(*(call.close() for call in pair))
    return await asyncio.to_thread(_twice_one_way, said, heard)


def _has_ear(call: Call) -> bool:
    return bool(call.ears)


def _twice_one_way(
    said: list[list[tuple[signal.Samples, float]]], heard: list[Frames]
) -> float | None:
    """`said[k]` are the chirps of one side, `heard[k]` the frames the other side got."""
    found: list[float] = []
    for chirps, frames in zip(said, heard, strict=False):
        if frames:
            recording = signal.Recording(frames)
            delays = [recording.delay(chirp, at, LONGEST_RTT) for chirp, at in chirps]
            found += [delay for delay in delays if delay is not None]
    if len(found) < FLOOR_CHIRPS / 2:
        return None
    return round(2000 * float(np.median(found)), 1)
