"""What a VoiceAssistant told its listeners, and what an AgentSession tells them."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import expression, with_first
from releve.upgrade.syntax.listener import Listener
from releve.upgrade.syntax.types import ASSISTANT_EVENTS

EVENT = Rule(
    "assistant-event",
    "assistant",
    '@assistant.on("user_started_speaking" | "user_stopped_speaking" | "agent_started_speaking" | '
    '"agent_stopped_speaking" | "user_speech_committed" | "agent_speech_committed" | "agent_speech_interrupted")',
    '@session.on("user_state_changed" | "agent_state_changed" | "conversation_item_added"), with one event object',
    True,
    "v1 tells states and items instead of moments; the callback returns at once for those it did not get "
    "before. Rewritten where the callback is a function of this file that serves this event only",
)
EVENT_BY_HAND = Rule(
    "assistant-event-by-hand",
    "assistant",
    "the same, with a lambda, .once(), a callback of several events or of another file; "
    "function_calls_collected, function_calls_finished; from 0.11 on metrics_collected",
    "see the event's table row; function calls: @session.on('function_tools_executed'), ev.zipped(); metrics: ev.metrics",
    False,
    "a listener of an event that v1 does not send is never called, and nothing says so",
)
RULES = (EVENT, EVENT_BY_HAND)

USER, AGENT, ITEM = "user_state_changed", "agent_state_changed", "conversation_item_added"
TYPES = {
    USER: "UserStateChangedEvent",
    AGENT: "AgentStateChangedEvent",
    ITEM: "ConversationItemAddedEvent",
}
# v0's event -> v1's, and when a callback has nothing to do.
NEW = {
    "user_started_speaking": (USER, '{ev}.new_state != "speaking"'),
    "user_stopped_speaking": (USER, '{ev}.old_state != "speaking"'),
    "agent_started_speaking": (AGENT, '{ev}.new_state != "speaking"'),
    "agent_stopped_speaking": (AGENT, '{ev}.old_state != "speaking"'),
    "user_speech_committed": (ITEM, '{ev}.item.type != "message" or {ev}.item.role != "user"'),
    "agent_speech_committed": (
        ITEM,
        '{ev}.item.type != "message" or {ev}.item.role != "assistant" or {ev}.item.interrupted',
    ),
    "agent_speech_interrupted": (
        ITEM,
        '{ev}.item.type != "message" or {ev}.item.role != "assistant" or not {ev}.item.interrupted',
    ),
}


def find(context: Context) -> Iterator[Finding]:
    for listener in context.kinds.listeners():
        if listener.emitter != "rtc.Room" and listener.event in ASSISTANT_EVENTS:
            yield _listener(context, listener)
        elif listener.event == "metrics_collected" and not _takes_event(context, listener):
            advice = "it is given an event now: metrics.log_metrics(ev.metrics)"
            yield Finding(EVENT_BY_HAND, listener.call, advice)


def _listener(context: Context, listener: Listener) -> Finding:
    code, callback, event = context.code, listener.callback, listener.event
    if event not in NEW:
        advice = f"v1 does not send {event}: @session.on('function_tools_executed'), ev.zipped() gives calls and outputs"
        return Finding(EVENT_BY_HAND, listener.call, advice)
    new, idle = NEW[event]
    where = f"listen to {new} and return when {idle.format(ev='ev')}"
    if (
        callback is None
        or listener.once
        or callback.asynchronous
        or not _serves_this_only(context, listener)
    ):
        return Finding(EVENT_BY_HAND, listener.call, where)
    params = code.params(callback)
    starred = (
        callback.params.star_arg is not cst.MaybeSentinel.DEFAULT or callback.params.star_kwarg
    )
    # From 0.8 on they were given the message alone.
    if (
        starred
        or len(params) not in ((1, 2) if new == ITEM else (0,))
        or callback.params.kwonly_params
    ):
        return Finding(
            EVENT_BY_HAND, listener.call, f"{where}; the callback takes one argument, the event"
        )
    names = ("ev", "event", "session_event")
    ev = next((n for n in names if not _has(context, callback, n)), "livekit_event")
    lines = [f"if {idle.format(ev=ev)}:\n    return\n"]
    if new == ITEM:
        receiver = code.text(listener.call.func.value)  # type: ignore[attr-defined]
        given = (f"{receiver}.history", f"{ev}.item")[-len(params) :]
        for param, value in zip(params, given, strict=True):
            if code.references(param.name):
                lines.append(f"{param.name.value} = {value}\n")
    kind = context.imports.use(TYPES[new])
    first = (
        [callback.params.params[0]]
        if code.owner(callback) and len(callback.params.params) > len(params)
        else []
    )
    param = cst.Param(cst.Name(ev), cst.Annotation(expression(kind)))

    def edit(node: cst.FunctionDef) -> cst.FunctionDef:
        old = node.params.params[: len(first)]
        kept = [p.with_changes(comma=cst.MaybeSentinel.DEFAULT) for p in old]
        changed = with_first(node, lines)
        return changed.with_changes(params=changed.params.with_changes(params=[*kept, param]))

    name = listener.call.args[0].value
    assert isinstance(name, cst.SimpleString)
    quoted = name.with_changes(value=f"{name.quote}{new}{name.quote}")
    rename: Edit = lambda _: quoted  # noqa: E731
    return Finding(
        EVENT,
        listener.call,
        f"{new}, with `{lines[0].split(':')[0]}: return`",
        ((name, rename), (callback, edit)),
    )


def _takes_event(context: Context, listener: Listener) -> bool:
    """Whether a callback reads `.metrics` of what it is given, as v1's do."""
    if listener.callback is None or not (params := context.code.params(listener.callback)):
        return False
    read = [context.code.parent(node) for node in context.code.references(params[0].name)]
    return any(isinstance(node, cst.Attribute) and node.attr.value == "metrics" for node in read)


def _serves_this_only(context: Context, listener: Listener) -> bool:
    """Whether nothing else calls or registers the callback."""
    code, callback = context.code, listener.callback
    assert callback is not None
    if listener.callback_expression is None:
        return len(callback.decorators) == 1 and not code.references(callback.name)
    if isinstance(listener.callback_expression, cst.Name):
        return not callback.decorators and len(code.references(callback.name)) == 1
    name = callback.name.value
    same = [a for a in code.all(cst.Attribute) if a.attr.value == name]
    return not callback.decorators and len(same) == 1


def _has(context: Context, function: cst.FunctionDef, name: str) -> bool:
    return any(
        n.value == name and context.code.inside(n, function) for n in context.code.all(cst.Name)
    )
