"""What a caller types: the chat message of LiveKit's older apps, a data packet with JSON."""

from __future__ import annotations

import json

TOPIC = "lk-chat-topic"


def message(topic: str | None, data: bytes) -> str | None:
    """The text of a chat message; None for other data.

    Apps of today send a text stream, and a packet that says `ignoreLegacy` beside it.
    """
    if topic != TOPIC:
        return None
    try:
        told = json.loads(data)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("ignoreLegacy") or told.get("deleted"):
        return None
    text = told.get("message")
    return text if isinstance(text, str) and text.strip() else None
