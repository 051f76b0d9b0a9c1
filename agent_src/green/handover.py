"""What a job's metadata tells of the call: its language, and what was said before."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

from livekit.agents import ChatContext

logger = logging.getLogger("coach")
ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True)
class Context:
    """`history` is empty when the call is new."""

    language: str | None = None
    history: ChatContext = field(default_factory=ChatContext.empty)


def read(metadata: str) -> Context:
    """From `{"language": "fr", "history": [{"role": "user", "content": "…"}]}`, all optional.

    Metadata that is something else is another's: the call begins as a new one, and the log says so.
    """
    if not metadata:
        return Context()
    try:
        told = json.loads(metadata)
        history = ChatContext.empty()
        for message in told.get("history", []):
            if message["role"] not in ROLES or not isinstance(message["content"], str):
                raise ValueError(f"a message of role {message['role']!r}")
            history.add_message(role=message["role"], content=message["content"])
        language = told.get("language")
        return Context(language if isinstance(language, str) else None, history)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("the job's metadata is no handover: %s", error)
        return Context()
