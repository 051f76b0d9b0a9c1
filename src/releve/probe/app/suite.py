"""The app suite, without the SDK: what the Flutter app does, and the answers that it needs.

About 13 s with an agent. Round trips are told and not judged here: every packet goes through this
process's event loop and a jitter buffer of fixed depth, which no phone has.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from releve.probe.app.client import Client
from releve.probe.app.peer import Texts, exchange
from releve.probe.app.reader import ClientReader
from releve.probe.caller.agent_check import AGENT_SECONDS
from releve.probe.caller.call import not_found_by_app
from releve.probe.caller.floor import NOBODY
from releve.probe.caller.join import Server, ServerError
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import verdict
from releve.probe.judgement.gates import Gate
from releve.probe.media import echo_search, signal
from releve.probe.media.echo_search import CallAudio, Echoes
from releve.probe.suites.echo import CHIRP_GAP, SETTLE_SECONDS

UNJUDGED = "rtt_p95_ms_max"  # the echo suite judges it, and the browser


@dataclass(slots=True)
class AppCall:
    """One call's evidence; times in seconds since it was opened, None for what did not happen."""

    room: str
    tries: int = 0
    join_s: float | None = None
    agent: str | None = None
    agent_audio_s: float | None = None
    sent: int = 0
    echoes: Echoes = field(default_factory=lambda: Echoes([], None, None))
    answers: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    failure: str | None = None


async def run(
    server: Server, name: str, colour: str, judges: Sequence[Gate], *, chirps: int
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json. Raises ServerError."""
    meter = OwnCostMeter()
    call = await _call(server, chirps)
    nobody = replace(server, agent_name=NOBODY)
    texts = await exchange(nobody, lambda room: ClientReader(nobody, room))
    judged = [gate for gate in judges if gate.key != UNJUDGED]
    return probe_object(name, colour, call, texts, judged, asked=chirps) | {"cost": meter.read(1)}


def probe_object(
    name: str, colour: str, call: AppCall, texts: Texts, judges: Sequence[Gate], *, asked: int
) -> dict[str, Any]:
    """Judge one call: pure, from evidence to the probe object."""
    rtts = call.echoes.rtts_ms
    round_trip = verdict.percentiles(rtts)
    differences = [*dict.fromkeys(call.differences + texts.differences)]
    metrics: dict[str, float | None] = {
        "server answers that differ": float(len(differences)),
        "tries until joined": float(call.tries) if call.join_s is not None else None,
        "slowest agent audio": call.agent_audio_s,
        "valid fraction of chirps": len(rtts) / asked if asked else None,
        "ways of text that arrive": float(len(set(texts.arrived))),
        "RTT p95": round_trip["p95"] if round_trip else None,
    }
    said = [sentence for sentence in (call.failure, texts.failure) if sentence is not None]
    said += differences
    said += [f"{way}: did not arrive" for way in texts.missing]
    evidence = asdict(call)
    judged = verdict.of(
        name,
        colour,
        judges,
        metrics,
        said,
        sent=call.sent,
        valid=len(rtts),
        rtts_ms=rtts,
        longest_silence_ms=call.echoes.longest_silence_ms,
    )
    own = {"calls": [evidence | evidence.pop("echoes")], "texts": sorted(set(texts.arrived))}
    return judged | own


async def _call(server: Server, chirps: int) -> AppCall:
    client = Client(server, server.new_room("app"), f"caller-{secrets.token_hex(4)}")
    result, said = AppCall(client.room_name), CallAudio(client.bed_hertz)
    try:
        await client.open()
        result.join_s = round(client.joined - client.opened, 3)
        result.failure = await _converse(client, chirps, result, said)
    except ServerError as error:
        if client.answers.joined is None:
            raise  # the environment's fault; what comes after it let us in is a finding
        result.failure = str(error)
    finally:
        said.until = time.monotonic()
        said.heard = list(client.media.heard[0].frames) if client.media.heard else []
        result.tries, result.sent = client.tries, len(said.chirps)
        result.answers = dict(client.answers.counts)
        result.differences = client.answers.differences + client.inbox.differences
        await client.close()
    result.echoes = await asyncio.to_thread(echo_search.analyse, said, signal.LONGEST_RTT)
    return result


async def _converse(client: Client, chirps: int, result: AppCall, said: CallAudio) -> str | None:
    """From joining to the last echo; a sentence when it went wrong."""
    deadline, room = client.opened + AGENT_SECONDS, client.room_name
    await client.wait(
        lambda: bool((client.agents and client.media.heard) or client.lost),
        deadline - time.monotonic(),
    )
    if problem := _problem(client):
        return problem
    result.agent = client.agents[0].identity
    if not client.media.heard:
        return f"{result.agent} came without audio within {AGENT_SECONDS:.0f} s of {room}"
    result.agent_audio_s = round(client.media.heard[0].since - client.opened, 3)
    played = client.answers.owners.get(client.media.heard[0].track_sid)
    if played != result.agent:
        return f"the app would play {played or 'a track nobody announced'}, not {result.agent}"
    await client.wait(lambda: _problem(client) is not None, SETTLE_SECONDS)
    for number in range(chirps):
        if problem := _problem(client):
            return f"{problem}, after {number} chirps"
        said.chirps.append(await client.say(number))
        pause = said.chirps[-1][1] + CHIRP_GAP - time.monotonic()
        await client.wait(lambda: _problem(client) is not None, pause)
    await client.wait(lambda: _problem(client) is not None, signal.LONGEST_RTT)
    return _problem(client)


def _problem(client: Client) -> str | None:
    room = client.room_name
    if client.lost is not None:
        return f"connection to {room} lost: {client.lost}"
    if len(client.agents) > 1:
        return f"{len(client.agents)} agents in {room}, exactly one is wanted"
    if not client.agents:
        others = [p.identity for p in client.answers.participants.values()]
        others = [identity for identity in others if identity != client.identity]
        return not_found_by_app(others[0], room) if others else f"no agent in {room}"
    return None
