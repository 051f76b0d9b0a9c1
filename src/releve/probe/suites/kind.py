"""The kind suite: what an agent is, found out by one call and at most one sentence.

An agent that is heard before its caller has said anything talks. Else chirps tell one that echoes,
then a sentence one that talks when it is spoken to. One without audio that is subscribed to its
caller listens; so does, from outside, one that crashed when it had joined, which the SDK leaves in
the room. Of any other it is told what happened, and what our call did not bring.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import aiohttp
from livekit import api
from livekit.protocol import agent as protocol

from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import verdict
from releve.probe.media import echo_search, signal
from releve.probe.media.echo_search import CallAudio
from releve.probe.suites.conversation import GREETING_SECONDS, REPLY_SECONDS, first_voice
from releve.probe.suites.held.kinds import KINDS as KINDS

AGENT_SECONDS = 10.0  # from opening the room
AUDIO_SECONDS = 8.0  # from the agent's coming; one that has published nothing then only listens
CHIRPS, CHIRP_GAP = 4, 0.4
LEAST_ECHOES = 3


@dataclass(slots=True)
class KindResult:
    """One call; seconds since it was opened, but the reply's: since the end of our sentence.

    kind: None where it needs something. subscribed: to our track. missing: what happened then, and
    what our call did not bring; of one that listens only the latter, as `lacked`.
    """

    room: str
    kind: Literal["echo", "talks", "listens"] | None = None
    agent: str | None = None
    subscribed: bool = False
    turns: int = 0
    agent_s: float | None = None
    greeting_s: float | None = None
    reply_s: float | None = None
    missing: str | None = None
    lacked: str | None = None


async def run(
    server: Server,
    name: str,
    colour: str,
    sentence: signal.Samples,
    *,
    expect: str | None = None,
) -> dict[str, Any]:
    """Call once, and return the probe object of report.json. Raises ServerError.

    Takes 6 to 30 s. It passes where the agent is of some kind, and of the one that is expected.
    """
    meter = OwnCostMeter()
    found = await _call(server, sentence)
    wrong = [found.missing] if found.missing is not None else []
    if found.kind is not None and expect not in (None, found.kind):
        said = f"{found.agent} {_IN_WORDS[found.kind]}; expected is an agent that {_asked(expect)}"
        wrong.append("; ".join(filter(None, [said, found.lacked])))
    judged = verdict.of(name, colour, [], {}, wrong, sent=1, valid=int(found.kind is not None))
    return judged | asdict(found) | {"cost": meter.read(1)}


_IN_WORDS = {
    "echo": "echoes",
    "talks": "talks",
    "listens": "has no audio (one that has crashed looks the same: see its log)",
}


def _asked(expect: str | None) -> str:
    return {"echo": "echoes", "talks": "talks", "listens": "only listens"}.get(expect or "", "")


async def _call(server: Server, sentence: signal.Samples) -> KindResult:
    call = Call(server, server.new_room("kind"), bed=False)
    found = KindResult(call.room_name)
    try:
        await call.open()
        found.missing = await _meet(call, sentence, found)
        if call.seen:
            found.agent = call.seen[0].identity
        found.subscribed = call.subscribed
        if found.missing is None and call.most_present > 1:
            found.missing = f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
        if found.missing is not None:
            found.kind = None
            found.missing += f"; {await _dispatched(call)}{_brought(server)}"
        elif found.kind == "listens":
            found.lacked = _brought(server)
    finally:
        await call.close()
    return found


async def _meet(call: Call, sentence: signal.Samples, found: KindResult) -> str | None:
    """What is missing, or None once the kind is known."""
    patience = call.opened + AGENT_SECONDS - time.monotonic()
    if not await call.wait(lambda: bool(call.seen or call.lost), patience):
        return f"no agent came within {AGENT_SECONDS:.0f} s of opening {call.room_name}"
    if call.lost is not None:
        return f"connection to {call.room_name} lost: {call.lost}"
    came = call.seen[0]
    found.agent_s = round(came.joined - call.opened, 3)
    gone = partial(_gone, call)
    await call.wait(lambda: bool(call.sinks) or gone() is not None, AUDIO_SECONDS)
    if why := gone():
        return why
    if not call.sinks:
        if not call.subscribed:
            return f"{came.identity} came, has no audio, and is not subscribed to its caller's"
        found.kind = "listens"
        return None
    return await _hear(call, sentence, found)


async def _hear(call: Call, sentence: signal.Samples, found: KindResult) -> str | None:
    greeted = await first_voice(call, call.opened, GREETING_SECONDS)
    if greeted is not None:
        found.kind, found.greeting_s = "talks", round(greeted - call.opened, 3)
        return _gone(call)
    if await _echoes(call):
        found.kind = "echo"
        return _gone(call)
    found.turns = 1
    ended = await call.speak(sentence)
    replied = await first_voice(call, ended, ended - time.monotonic() + REPLY_SECONDS)
    if replied is not None:
        found.kind, found.reply_s = "talks", round(replied - ended, 3)
        return _gone(call)
    return _gone(call) or (
        f"{call.seen[0].identity} has audio and says nothing, within {GREETING_SECONDS:.0f} s of "
        f"its coming and {REPLY_SECONDS:.0f} s of a sentence"
    )


async def _echoes(call: Call) -> bool:
    said = CallAudio(call.bed_hertz)
    for number in range(CHIRPS):
        said.chirps.append(await call.say(number))
        await call.wait(lambda: _gone(call) is not None, CHIRP_GAP)
    await call.wait(lambda: _gone(call) is not None, signal.LONGEST_RTT)
    said.until = time.monotonic()
    said.heard = [frame for _, sink in call.sinks for frame in sink.frames()]
    found = await asyncio.to_thread(echo_search.analyse, said, signal.LONGEST_RTT)
    return len(found.rtts_ms) >= LEAST_ECHOES


def _gone(call: Call) -> str | None:
    """Why the call is over before its end, or None."""
    if call.lost is not None:
        return f"connection to {call.room_name} lost: {call.lost}"
    if call.present:
        return None
    came = call.seen[0]
    stayed = (came.left or time.monotonic()) - came.joined
    return f"{came.identity} came, and left {call.room_name} after {stayed:.1f} s"


async def _dispatched(call: Call) -> str:
    """What the server says of the room's dispatches; empty where it says nothing."""
    server = call.server
    url = server.url.replace("ws", "http", 1)
    try:
        async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as client:
            dispatches = await client.agent_dispatch.list_dispatch(call.room_name)
    except (api.TwirpError, aiohttp.ClientError, OSError, TimeoutError):
        return ""
    jobs = [job for dispatch in dispatches for job in dispatch.state.jobs]
    failed = [job.state.error for job in jobs if job.state.status == protocol.JobStatus.JS_FAILED]
    if failed:
        return f"its job failed{': ' + failed[0] if failed[0] else ''}, its log says why; "
    if jobs and not call.seen:
        return "a worker took the room, and its agent left at once or has not joined, see its log; "
    if not jobs and not call.seen:
        who = f"the name {server.agent_name!r}" if server.agent_name else "no name"
        return f"no worker took the room: is one registered under {who}?; "
    return ""


def _brought(server: Server) -> str:
    """What some agents need, and our call did not have."""
    profile = server.profile
    have = {
        "agent name": server.agent_name,
        "dispatch metadata": profile.dispatch_metadata,
        "room metadata": profile.room_metadata,
        "metadata": profile.metadata,
        "attributes": profile.attributes,
    }
    lacks = [what for what, value in have.items() if not value]
    return f"our call had no {', no '.join(lacks)} (`--caller`)" if lacks else "our call had all"
