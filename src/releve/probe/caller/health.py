"""Whether a held call is still usable for its caller."""

from __future__ import annotations

import time

from releve.probe.caller.call import Call
from releve.probe.caller.listener import Listener

NO_ECHO_SECONDS = 10.0
GRACE_SECONDS = 3.0  # after a reconnection, for the agent to be seen again


def dropped(call: Call) -> str | None:
    """Why the call was dropped, or None.

    An agent that is missing while the SDK reconnects, or just after it, has not left: the SDK
    removes and adds all participants in between. Such a gap counts as silence.
    """
    if call.lost is not None:
        return f"connection lost: {call.lost}"
    if call.audible or settling(call):
        return None
    return "the agent left, or its audio ended"


def left(call: Call) -> str | None:
    """Why a call was dropped whose agent sends no audio, or None."""
    if call.lost is not None:
        return f"connection lost: {call.lost}"
    return None if call.present or settling(call) else "the agent left"


def settling(call: Call) -> bool:
    """Whether the SDK reconnects, or has just done so."""
    return call.reconnecting or time.monotonic() - call.steady_since < GRACE_SECONDS


def no_echo(call: Call, listener: Listener) -> str | None:
    """Why the caller hangs up although the agent is in the room: no echo is received.

    A crashed agent stays in the room for some 20 s, until the server removes it.
    """
    if settling(call) or listener.seconds_without_echo() < NO_ECHO_SECONDS:
        return None
    return f"nothing came back for {NO_ECHO_SECONDS:.0f} s"
