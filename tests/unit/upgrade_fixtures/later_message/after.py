"""Attributes of messages and contexts that are gone, and containers of them."""

import copy
from collections import deque

from livekit.agents import llm

kept: deque[llm.ChatMessage] = deque()


def without_pictures():
    kept.popleft().images = []


def row(message: llm.ChatMessage):
    return message.name, message.tool_calls, message.tool_call_id


def size(context: llm.ChatContext):
    other = copy.deepcopy(context)
    return len(other.items), context._metadata


def guarded(context: llm.ChatContext, chat_ctx):
    if hasattr(context, "messages"):
        print(context.items)
    return getattr(context, "append", None), chat_ctx.messages
