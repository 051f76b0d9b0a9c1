"""A call that moves from one agent to the next: docs/handover.md is the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

METHOD = "releve.handover.context"
TOPIC = "releve.handover"
KEY = "releve_handover"
LONGEST_BYTES = 15_000
ROLES = ("user", "assistant")


def context(language: str, history: Sequence[tuple[str, str]]) -> str:
    """What the next agent is told: who said what, the oldest left out where it is too long."""
    told = [{"role": role, "content": content} for role, content in history if role in ROLES]
    while True:
        text = json.dumps({"language": language, "history": told}, ensure_ascii=False)
        if len(text.encode()) <= LONGEST_BYTES or not told:
            return text
        del told[: max(1, len(told) // 10)]


def asked(metadata: str) -> str | None:
    """Who asks for the context by our own metadata, as an SDK without RPC is asked; else None."""
    told = _object(metadata).get(TOPIC)
    to = told.get("reply_to") if isinstance(told, dict) else None
    return to if isinstance(to, str) else None


def read(metadata: str) -> tuple[str, dict[str, Any]] | None:
    """The agent before this one and what it told, of a call that was moved; else None."""
    told = _object(metadata).get(KEY)
    if not isinstance(told, dict) or not isinstance(told.get("context"), dict):
        return None
    return str(told.get("from", "")), told["context"]


def said(context: dict[str, Any]) -> list[tuple[str, str]]:
    """Who said what in it. Raises ValueError."""
    found = []
    history = context.get("history", [])
    if not isinstance(history, list):
        raise ValueError("history is no list")
    for message in history:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise ValueError("history has a message of another role")
        if not isinstance(message.get("content"), str):
            raise ValueError("history has a message that is no text")
        found.append((message["role"], message["content"]))
    return found


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
