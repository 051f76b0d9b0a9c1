"""The network suite: a caller whose network fails for some seconds, or blocks UDP.

Four calls to an agent that echoes, at the same time, each over a link of its own
(impairment/link.py):
its signalling is cut off; nothing passes for some seconds; UDP does not pass; and, where the
server offers TURN, media go by that alone. Silence is measured by the bed tone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from releve.probe.caller import agent_check
from releve.probe.caller.call import Call
from releve.probe.caller.floor import NOBODY
from releve.probe.caller.health import GRACE_SECONDS
from releve.probe.caller.join import Server, ServerError, first_answer, join_token
from releve.probe.host import isolated_process
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.impairment.link import Link
from releve.probe.judgement import verdict
from releve.probe.judgement.gates import Gate
from releve.probe.media import signal, webrtc

SIGNALLING_CUT, NETWORK_CUT, NO_UDP, TURN = "signalling cut", "network cut", "no UDP", "TURN"
SETTLE_SECONDS = 1.0
NOTICE_SECONDS = 5.0  # until the SDK has noticed that its signalling is gone
BACK_SECONDS = 45.0  # until the agent is heard again; the SDK itself gives up not much later
LISTEN_SECONDS = 1.5  # on, when it is
TURN_GATE = "turn_s_max"


@dataclass(slots=True)
class LinkResult:
    """One call; None for what did not happen or was not reported.

    agent_audio_s: seconds from opening it until the agent's echo. path: by what media came.
    same: whether it was still in the same room with the same agent at the end, which had not left.
    reconnected_s: seconds from the cut until the SDK said that it is back; None also where it did
    not notice. back_s: seconds from the end of the cut until the agent was heard again.
    silence_ms: the longest silence since the cut began.
    """

    how: str
    room: str
    agent_audio_s: float | None = None
    path: str | None = None
    same: bool | None = None
    reconnected_s: float | None = None
    back_s: float | None = None
    silence_ms: float | None = None
    failure: str | None = None


async def run(
    server: Server, name: str, colour: str, judges: Sequence[Gate], *, cut_seconds: float
) -> dict[str, Any]:
    """Measure, and return the probe object of report.json. Raises ServerError and CrashError.

    About 6 s and `cut_seconds` where all goes well.
    """
    (tried, cost), crashed = await isolated_process.run(_measure, server, cut_seconds)
    probe = probe_object(name, colour, tried, judges) | {"cost": cost}
    if crashed:
        probe["network"] |= {"SDK": "crashed, and all was measured anew"}
    return probe


async def _measure(server: Server, cut_seconds: float) -> tuple[list[LinkResult], dict[str, Any]]:
    meter, straight = OwnCostMeter(), partial(Link, server.url, media=False)
    turn = await _offers_turn(server)
    calls = [
        _call(server, SIGNALLING_CUT, straight(), _signalling_cut),
        _call(server, NETWORK_CUT, Link(server.url), partial(_network_cut, cut_seconds)),
        _call(server, NO_UDP, Link(server.url, udp=False), _nothing),
    ]
    if turn:
        calls.append(_call(server, TURN, straight(), _nothing, relay=True))
    tried = await asyncio.gather(*calls)
    return tried, meter.read(len(tried))


async def _offers_turn(server: Server) -> bool:
    nobody = replace(server, agent_name=NOBODY)
    token = join_token(nobody, server.new_room("network"), "caller")
    join = await first_answer(server.url, token)
    return any(url.startswith("turn") for each in join.ice_servers for url in each.urls)


def probe_object(
    name: str, colour: str, tried: list[LinkResult], judges: Sequence[Gate]
) -> dict[str, Any]:
    """Judge the calls: pure, from evidence to the probe object.

    A server that offers no TURN is told, and not judged for it.
    """
    by = {call.how: call for call in tried}
    kept = [call for call in tried if call.failure is None and call.same]

    def of(how: str, figure: str) -> float | None:
        value: float | None = getattr(by[how], figure) if how in by else None
        return value

    metrics = {
        "fraction of calls kept": len(kept) / len(tried) if tried else None,
        "silence by a signalling cut": of(SIGNALLING_CUT, "silence_ms"),
        "agent heard after a network cut": of(NETWORK_CUT, "back_s"),
        "agent heard without UDP": of(NO_UDP, "agent_audio_s"),
        "agent heard by TURN": of(TURN, "agent_audio_s"),
    }
    judged = verdict.of(
        name,
        colour,
        [gate for gate in judges if gate.key != TURN_GATE or TURN in by],
        metrics,
        [call.failure for call in tried if call.failure is not None],
        sent=len(tried),
        valid=len(kept),
        longest_silence_ms=max(
            (call.silence_ms for call in tried if call.silence_ms is not None), default=None
        ),
    )
    return judged | {
        "network": {TURN: "not offered"} | {how: _in_words(call) for how, call in by.items()},
        "calls": [asdict(call) for call in tried],
    }


def _in_words(call: LinkResult) -> str:
    """The result of one call as text."""
    if call.failure is not None:
        return "failed"
    if call.how == SIGNALLING_CUT:
        found = f"silent for {call.silence_ms:.0f} ms"
    elif call.how == NETWORK_CUT:
        found = f"heard again {call.back_s:.1f} s after it"
    else:
        found = f"heard after {call.agent_audio_s:.1f} s"
    return f"{call.path or 'path unknown'}, {found}"


Scenario = Callable[[Call, Link, LinkResult], Awaitable[str | None]]


async def _call(
    server: Server, how: str, link: Link, scenario: Scenario, relay: bool = False
) -> LinkResult:
    """One call over that link: wait for the echo, run the scenario, wait for the echo again."""
    room_name = server.new_room("network")
    tried = LinkResult(how, room_name)
    try:
        async with link:
            call = Call(replace(server, url=link.url), room_name, relay=relay)
            try:
                await call.open()
                tried.failure = await _converse(call, link, scenario, tried)
            finally:
                await call.close()
    except ServerError as error:
        tried.failure = str(error).replace(link.url or server.url, server.url)
    if tried.failure is not None:
        tried.failure = f"{how}: {tried.failure}"
    return tried


async def _converse(call: Call, link: Link, scenario: Scenario, tried: LinkResult) -> str | None:
    # The gates judge the time that it takes; without UDP it is long.
    identity, problem = await agent_check.agent(call, BACK_SECONDS, BACK_SECONDS)
    if problem is not None:
        return problem
    assert identity is not None
    tried.agent_audio_s = round(time.monotonic() - call.opened, 3)
    await call.wait(partial(agent_check.has_problem, call), SETTLE_SECONDS)
    before = await _session_ids(call, identity)
    problem = agent_check.problem(call, 0) or await scenario(call, link, tried)
    tried.same = await _session_ids(call, identity) == before
    sinks = [sink for who, sink in call.sinks if who == identity]
    tried.path = await webrtc.path(sinks[-1].track)
    return problem


async def _session_ids(call: Call, agent: str) -> tuple[str, str | None]:
    """The session ids of room and agent, which change if either is created again."""
    participant = call.room.remote_participants.get(agent)
    return await call.room.sid, participant.sid if participant is not None else None


async def _nothing(call: Call, link: Link, tried: LinkResult) -> str | None:
    """No event: the link itself is the impairment."""
    await call.wait(partial(agent_check.has_problem, call), LISTEN_SECONDS)
    return agent_check.problem(call, 0)


async def _signalling_cut(call: Call, link: Link, tried: LinkResult) -> str | None:
    at = time.monotonic()
    link.cut_signalling()
    await call.wait(lambda: call.reconnecting, NOTICE_SECONDS)
    return await _measure_recovery(call, tried, at, at)


async def _network_cut(seconds: float, call: Call, link: Link, tried: LinkResult) -> str | None:
    at = time.monotonic()
    link.cut()
    await asyncio.sleep(seconds)
    link.restore()
    return await _measure_recovery(call, tried, at, time.monotonic())


async def _measure_recovery(
    call: Call, tried: LinkResult, cut: float, restored_at: float
) -> str | None:
    """Wait for the echo and measure the silence. Returns a sentence if there is no echo."""
    gone = partial(_gone, call)
    await call.wait(lambda: not call.reconnecting or gone(), BACK_SECONDS)
    if call.steady_since > cut and not call.reconnecting:
        tried.reconnected_s = round(call.steady_since - cut, 3)
    heard = await agent_check.bed_tone_received(call, BACK_SECONDS, gone)
    await call.wait(gone, LISTEN_SECONDS)
    sinks = [signal.Recording(frames) for _, sink in call.sinks if (frames := sink.frames())]
    blocks = np.sort(np.concatenate([sink.bed_heard(call.bed_hertz) for sink in sinks]))
    silences = signal.gaps(blocks, cut, time.monotonic())
    tried.silence_ms = round(1000 * max((end - begin for begin, end in silences), default=0.0), 1)
    after = blocks[blocks >= restored_at]
    if heard and len(after):
        tried.back_s = round(max(0.0, float(after[0]) - restored_at), 3)
    if call.lost is not None:
        return f"connection to {call.room_name} lost: {call.lost}"
    if not call.audible:
        return f"agent left {call.room_name}"
    if tried.back_s is None:
        return f"the agent was not heard again within {BACK_SECONDS:.0f} s in {call.room_name}"
    return None


def _gone(call: Call) -> bool:
    """Whether call or agent are lost. While the SDK reconnects, no participant is listed."""
    settling = call.reconnecting or time.monotonic() - call.steady_since < GRACE_SECONDS
    return call.lost is not None or (not settling and not call.audible)
