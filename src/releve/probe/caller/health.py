"""Whether a held call still stands, as its caller would say."""

from __future__ import annotations

import time

from releve.probe.caller.call import Call
from releve.probe.caller.listener import Listener

DEAF_SECONDS = 10.0
GRACE_SECONDS = 3.0  # after a reconnection, for the agent to be seen again


def dropped(call: Call) -> str | None:
    """Why the call is lost, or None while it stands.

    An agent that is out of sight while the SDK reconnects, or just after it, is not gone: the
    SDK forgets and finds all participants in between. What the caller misses is silence.
    """
    if call.lost is not None:
        return f"connection lost: {call.lost}"
    if call.audible or _settling(call):
        return None
    return "the agent left, or its audio ended"


def _settling(call: Call) -> bool:
    return call.reconnecting or time.monotonic() - call.steady_since < GRACE_SECONDS


def hung_up(call: Call, listener: Listener) -> str | None:
    """Why the caller hangs up although everybody is there: nothing comes back any more.

    A crashed agent stays in the room for some 20 s until the server misses it.
    """
    if _settling(call) or listener.deaf_seconds() < DEAF_SECONDS:
        return None
    return f"nothing came back for {DEAF_SECONDS:.0f} s"
