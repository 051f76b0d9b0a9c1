"""What a job's metadata tells of the call: its language, and what was said before."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field

import moving
from livekit.agents import ChatContext

logger = logging.getLogger("coach")


@dataclass(frozen=True, slots=True)
class Context:
    """`history` is empty when the call is new; `before`: the agent that has the call until now."""

    language: str | None = None
    history: ChatContext = field(default_factory=ChatContext.empty)
    before: str | None = None


def read(metadata: str) -> Context:
    """From `{"language": "fr", "history": [{"role": "user", "content": "…"}]}`, all optional.

    Of a call that is moved they are what its agent told. Metadata that is something else is
    another's: the call begins as a new one, and the log says so.
    """
    if not metadata:
        return Context()
    try:
        before, told = moving.read(metadata) or (None, json.loads(metadata))
        history = ChatContext.empty()
        for role, content in moving.said(told):
            history.add_message(role="user" if role == "user" else "assistant", content=content)
        language = told.get("language")
        return Context(language if isinstance(language, str) else None, history, before)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        logger.warning("the job's metadata is no handover: %s", error)
        return Context()
