"""The connect suite: time until a call has its agent; bad tokens are refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from releve.probe.caller.bad_tokens import TokenResult, try_bad_tokens
from releve.probe.caller.call import Call, app_finds, not_found_by_app
from releve.probe.caller.join import Server, ServerError
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import statistics, verdict
from releve.probe.judgement.gates import Gate

AGENT_SECONDS = 10.0  # from opening the call until we are subscribed to an agent's audio


@dataclass(slots=True)
class JoinResult:
    """One call; seconds since it was opened, None for what did not happen."""

    room: str
    how: Literal["in a row", "at once"]
    connect_s: float | None = None
    agent_s: float | None = None
    agent_audio_s: float | None = None
    failure: str | None = None


async def run(
    server: Server, name: str, colour: str, judges: Sequence[Gate], *, row: int, at_once: int
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json. Raises ServerError.

    Takes up to about (row + 1) x 14 s without an agent, a second or two a call with one.
    """
    meter = OwnCostMeter()
    joined = [await _join(server, "in a row")]
    if joined[0].connect_s is None:  # the environment's fault; a later call's is a finding
        raise ServerError(str(joined[0].failure))
    joined += [await _join(server, "in a row") for _ in range(row - 1)]
    joined += await asyncio.gather(*(_join(server, "at once") for _ in range(at_once)))
    cost = meter.read(len(joined))
    return probe_object(name, colour, joined, await try_bad_tokens(server), judges, cost)


def probe_object(
    name: str,
    colour: str,
    joined: list[JoinResult],
    refused: list[TokenResult],
    judges: Sequence[Gate],
    cost: dict[str, float | None],
) -> dict[str, Any]:
    """Judge the calls: pure, from evidence to the probe object."""
    well = [call for call in joined if call.failure is None]
    seconds = {
        "join": statistics.spread([c.connect_s for c in joined if c.connect_s is not None]),
        "agent": statistics.spread([c.agent_s for c in joined if c.agent_s is not None]),
        "agent audio": statistics.spread([c.agent_audio_s for c in well if c.agent_audio_s]),
    }
    metrics = {
        "fraction of calls with an agent's audio": len(well) / len(joined) if joined else None,
        "slowest join": _slowest(seconds["join"]),
        "slowest agent audio": _slowest(seconds["agent audio"]),
        "bad tokens refused": float(sum(refusal.right for refusal in refused)),
    }
    said = [call.failure for call in joined if call.failure is not None]
    said += [f"{refusal.token}: {refusal.said}" for refusal in refused if not refusal.right]
    judged = verdict.of(name, colour, judges, metrics, said, sent=len(joined), valid=len(well))
    return judged | {
        "seconds": {what: times for what, times in seconds.items() if times is not None},
        "refusals": [asdict(refusal) for refusal in refused],
        "cost": cost,
        "calls": [asdict(call) for call in joined],
    }


def _slowest(times: dict[str, float] | None) -> float | None:
    return None if times is None else times["max"]


async def _join(server: Server, how: Literal["in a row", "at once"]) -> JoinResult:
    """Open one call, wait for its agent's audio, hang up."""
    call = Call(server, server.new_room("connect"), keep_seconds=1.0)
    result = JoinResult(call.room_name, how)
    try:
        await call.open()
        result.connect_s = round(call.connected - call.opened, 3)
        patience = call.opened + AGENT_SECONDS - time.monotonic()
        await call.wait(lambda: bool(call.sinks or call.lost), patience)
        result.failure = _problem(call)
        if call.seen:
            agent = call.seen[0]
            result.agent_s = round(agent.joined - call.opened, 3)
            if agent.heard is not None:
                result.agent_audio_s = round(agent.heard - call.opened, 3)
    except ServerError as error:
        result.failure = str(error)
    finally:
        await call.close()
    return result


def _problem(call: Call) -> str | None:
    if call.lost is not None:
        return f"connection to {call.room_name} lost: {call.lost}"
    if not call.seen:
        return f"no agent came within {AGENT_SECONDS:.0f} s of opening {call.room_name}"
    agent = call.seen[0].identity
    if not call.sinks:
        return f"{agent} came without audio within {AGENT_SECONDS:.0f} s of {call.room_name}"
    if call.most_present > 1:
        return f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    return None if app_finds(agent) else not_found_by_app(agent, call.room_name)
