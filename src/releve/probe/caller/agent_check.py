"""Checks that the agent joins, has an identity that the app accepts, and echoes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from releve.probe.caller.call import Call, app_finds, not_found_by_app
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
    if said := problem(call, 0):
        return None, said
    identity = call.audible[0].identity
    if not app_finds(identity):
        return identity, not_found_by_app(identity, call.room_name)
    if not await bed_tone_received(call, heard_seconds, partial(has_problem, call)):
        return identity, problem(call, 0) or (
            f"agent {identity} is silent: nothing we said came back within {heard_seconds:.0f} s "
            f"of its audio track in {call.room_name}"
        )
    return identity, None


def problem(call: Call, sent: int) -> str | None:
    """What is wrong with a call whose agent has joined, or None."""
    if call.lost is not None:
        return f"connection to {call.room_name} lost after {sent} chirps: {call.lost}"
    if not call.audible:
        return f"agent left {call.room_name} after {sent} chirps"
    if call.most_present > 1:
        return f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    return None


def has_problem(call: Call) -> bool:
    return problem(call, 0) is not None


async def bed_tone_received(call: Call, seconds: float, over: Callable[[], bool]) -> bool:
    """Wait until the last frames hold the bed tone, for `seconds` at most or until `over()`.

    The frames are checked ten times a second.
    """
    since, deadline = time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < deadline and not over():
        for _, sink in call.sinks:
            frames = [frame for frame in sink.frames()[-20:] if frame[0] >= since]
            if frames and len(signal.Recording(frames).bed_heard(call.bed_hertz)) >= 3:
                return True
        await call.wait(over, 0.1)
    return False
