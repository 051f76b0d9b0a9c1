"""The context of a call, checked and put into metadata: docs/handover.md is the contract.

It is the caller's own words: it is written into no log, and kept nowhere.
"""

from __future__ import annotations

import json

from releve.gateway.handover.model import Call, Context

KEY = "releve_handover"
"""In the new agent's metadata."""
LONGEST_BYTES = 15_000
"""What LiveKit carries in one RPC answer, or one data message."""


def checked(answer: object) -> Context | None:
    """What an agent has answered, or None: it must be a JSON object, and not too long."""
    if not isinstance(answer, str):
        return None
    try:
        told = json.loads(answer)
        length = len(_text(told).encode())  # fails for half of a surrogate pair
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) and length <= LONGEST_BYTES else None


def in_metadata(metadata: str, call: Call, context: Context) -> str:
    """The room's own metadata with one key more; what is no JSON object stands under `metadata`."""
    try:
        own = json.loads(metadata) if metadata else {}
    except (ValueError, RecursionError):
        own = None
    if not isinstance(own, dict):
        own = {"metadata": metadata}
    return _text({**own, KEY: {"from": call.identity, "context": context}})


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
