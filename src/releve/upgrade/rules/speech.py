"""What programs did with a running VoiceAssistant: say, chat_context, aclose, started."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.rules.assistant import all_converted
from releve.upgrade.syntax.edit import bind, rebuild

SAY = Rule(
    "assistant-say",
    "assistant",
    "say(source, add_to_chat_context=…), asyncio.create_task(assistant.say(…))",
    "say(text, add_to_chat_ctx=…): it begins at once and returns a SpeechHandle; awaiting that waits for the end",
    True,
    "say() is no coroutine any more, so create_task() refuses it; flagged where the task is kept",
)
HISTORY = Rule(
    "assistant-chat-context",
    "assistant",
    "assistant.chat_context (from 0.8 on chat_ctx), assistant.fnc_ctx",
    "session.history to read; to change: ctx = session.current_agent.chat_ctx.copy(), ctx.add_message(…), "
    "await session.current_agent.update_chat_ctx(ctx); tools: session.current_agent.tools",
    False,
    "v1 hands out copies: what is appended to them is not heard by the model",
)
CLOSE = Rule(
    "assistant-aclose",
    "assistant",
    "await assistant.aclose(wait=True | False)",
    "await session.drain() and await session.aclose(); wait=False: aclose() alone",
    True,
    "v1's aclose() interrupts, drain() lets the speech end as v0 did by default",
)
STARTED = Rule(
    "assistant-started",
    "assistant",
    "assistant.started",
    "a variable of your own, set after `await session.start(…)`",
    False,
    "the session does not tell",
)
RULES = (SAY, HISTORY, CLOSE, STARTED)

KINDS = {"agents.VoiceAssistant", "agents.MultimodalAgent", "agents.AgentSession"}
SAID = {"source": "text", "add_to_chat_context": "add_to_chat_ctx"}
TASKS = {"asyncio.create_task", "asyncio.ensure_future"}


def find(context: Context) -> Iterator[Finding]:
    code, kinds, moved = context.code, context.kinds, all_converted(context)
    for node in code.all(cst.Attribute):
        if not KINDS & set(kinds.own.lineage(kinds.of(node.value))):
            continue
        attr, call = node.attr.value, code.parent(node)
        if attr in ("chat_context", "chat_ctx"):
            yield Finding(HISTORY, node, HISTORY.v1)
        elif attr == "fnc_ctx":
            yield Finding(HISTORY, node, "session.current_agent.tools, and await update_tools([…])")
        elif attr == "started":
            yield Finding(STARTED, node, STARTED.v1)
        elif isinstance(call, cst.Call) and call.func is node and attr == "say":
            yield from _say(context, call)
        elif isinstance(call, cst.Call) and call.func is node and attr == "aclose":
            v0 = kinds.of(node.value) not in (None, "agents.AgentSession")
            if v0 and not moved:  # what is rewritten would look as if nothing had been
                yield Finding(CLOSE, call, CLOSE.v1)
            else:
                yield from _close(context, call, v0)


def _say(context: Context, call: cst.Call) -> Iterator[Finding]:
    code = context.code
    old = [a for a in call.args if a.keyword and a.keyword.value in SAID]
    bound = bind(call.args, ("source",)) or {}
    source = bound.get("source") or bound.get("text")
    if source is not None and context.kinds.of(source.value) == "llm.LLMStream":
        text: Edit = lambda node: cst.Call(cst.Attribute(node, cst.Name("to_str_iterable")))  # noqa: E731
        yield Finding(SAY, call, "the stream's text: to_str_iterable()", ((source.value, text),))
    if old:
        yield Finding(SAY, call, "text=, add_to_chat_ctx=", ((call, _renamed),))
    arg = code.parent(call)
    task = code.parent(arg) if isinstance(arg, cst.Arg) else None
    scope = code.scope(task) if isinstance(task, cst.Call) else None
    if scope is None or not isinstance(task, cst.Call):
        return
    if {q.name for q in scope.get_qualified_names_for(task)} & TASKS:
        if code.is_statement(task):
            yield Finding(
                SAY,
                call,
                "say() begins at once, no task",
                ((task, lambda node: node.args[0].value),),
            )
        else:
            yield Finding(
                SAY,
                call,
                "keep the SpeechHandle that say() returns instead of a task; await it, or interrupt() it",
            )


def _renamed(call: cst.Call) -> cst.Call:
    args = [
        a.with_changes(keyword=cst.Name(SAID.get(a.keyword.value, a.keyword.value)))
        if a.keyword
        else a
        for a in call.args
    ]
    return call.with_changes(args=args)


def _close(context: Context, call: cst.Call, v0: bool) -> Iterator[Finding]:
    """`aclose()` reads the same in both versions: only beside the constructor it is known as v0's."""
    code = context.code
    bound = bind(call.args, ("wait",)) or {}
    wait = code.text(bound["wait"].value) if "wait" in bound else "True"
    if not v0 and not call.args:
        return
    if wait == "False":
        yield Finding(CLOSE, call, "aclose() alone", ((call, lambda node: rebuild(node, [])),))
        return
    awaits, line = code.parent(call), code.statement(call)
    if wait == "True" and isinstance(awaits, cst.Await) and code.is_statement(awaits) and line:
        owner = code.text(call.func.value)  # type: ignore[attr-defined]
        drain = cst.parse_statement(f"await {owner}.drain()\n")

        def both(node: cst.SimpleStatementLine) -> cst.FlattenSentinel[cst.BaseStatement]:
            first = drain.with_changes(leading_lines=node.leading_lines)
            return cst.FlattenSentinel([first, node.with_changes(leading_lines=[])])

        yield Finding(
            CLOSE,
            call,
            "drain(), then aclose()",
            ((call, lambda node: rebuild(node, [])), (line, both)),
        )
    elif call.args:
        yield Finding(CLOSE, call, CLOSE.v1)
