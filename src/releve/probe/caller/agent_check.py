"""A caller meets the agent: it comes, is the one the app would find, and is heard to echo."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from releve.probe.caller.call import Call, app_finds, stranger
from releve.probe.media import signal

AGENT_SECONDS = 10.0  # from opening the call until an agent's audio track
HEARD_SECONDS = 10.0  # from that track until our bed tone comes back


async def agent(
    call: Call, agent_seconds: float = AGENT_SECONDS, heard_seconds: float = HEARD_SECONDS
) -> tuple[str | None, str | None]:
    """Wait for the agent's echo: its identity, if one came, and a sentence when it went wrong."""
    patience = call.opened + agent_seconds - time.monotonic()
    if not await call.wait(lambda: bool(call.audible or call.lost), patience):
        came = f"{call.seen[0].identity} came without audio" if call.seen else "no agent came"
        return None, f"{came} within {agent_seconds:.0f} s of opening {call.room_name}"
    if said := trouble(call, 0):
        return None, said
    identity = call.audible[0].identity
    if not app_finds(identity):
        return identity, stranger(identity, call.room_name)
    if not await hears_bed(call, heard_seconds, partial(troubled, call)):
        return identity, trouble(call, 0) or (
            f"agent {identity} is silent: nothing we said came back within {heard_seconds:.0f} s "
            f"of its audio track in {call.room_name}"
        )
    return identity, None


def trouble(call: Call, sent: int) -> str | None:
    """Why a call whose agent has come is no good any more, or None."""
    if call.lost is not None:
        return f"connection to {call.room_name} lost after {sent} chirps: {call.lost}"
    if not call.audible:
        return f"agent left {call.room_name} after {sent} chirps"
    if call.most_present > 1:
        return f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    return None


def troubled(call: Call) -> bool:
    return trouble(call, 0) is not None


async def hears_bed(call: Call, seconds: float, over: Callable[[], bool]) -> bool:
    """Wait until the last frames hold our bed tone, `seconds` at most and not once it is `over`.

    They are looked at ten times a second.
    """
    since, deadline = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < deadline and not over():
        for _, ear in call.ears:
            frames = [frame for frame in ear.frames()[-20:] if frame[0] >= since]
            if frames and len(signal.Recording(frames).bed_heard(call.bed_hertz)) >= 3:
                return True
        await call.wait(over, 0.1)
    return False
