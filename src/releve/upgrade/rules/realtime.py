"""Sessions of a realtime model, as programs before 1.0 spoke to them."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import argument, expression

REALTIME = Rule(
    "realtime-reply",
    "assistant",
    'session = model.sessions[0]; session.conversation.item.create(llm.ChatMessage(role="user", content=…)); '
    "session.response.create()",
    "await agent.generate_reply(user_input=…)",
    True,
    "a model's sessions are AgentSession's own in v1. Rewritten where both calls stand together in async code "
    "behind the start of one MultimodalAgent",
)
REALTIME_BY_HAND = Rule(
    "realtime-by-hand",
    "assistant",
    "any other use of model.sessions[…], and of what they have",
    "session.generate_reply(user_input=… | instructions=…), session.current_agent.update_instructions(…), "
    "update_chat_ctx(…) and update_tools(…), session.interrupt()",
    False,
    "a model's sessions are AgentSession's own in v1; nothing of theirs has the same name",
)
RULES = (REALTIME, REALTIME_BY_HAND)

SESSION = "openai.RealtimeSession"
INSTEAD = {
    "conversation": "await session.generate_reply(user_input=…), or add to a copy of the agent's chat_ctx and "
    "await agent.update_chat_ctx(…)",
    "response": "session.generate_reply() begins an answer, session.interrupt() ends it",
    "session_update": "await agent.update_instructions(…), model.update_options(…)",
    "fnc_ctx": "await agent.update_tools([…])",
    "chat_ctx_copy": "agent.chat_ctx.copy()",
    "set_chat_ctx": "await agent.update_chat_ctx(…)",
    "on": "@session.on('user_input_transcribed' | 'conversation_item_added' | 'agent_state_changed') of the AgentSession",
    "generate_reply": "await session.generate_reply() of the AgentSession",
}


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    used = [
        node
        for node in code.all(cst.Attribute)
        if kinds.of(node.value) == SESSION and node.attr.value not in ("__class__",)
    ]
    done: set[int] = set()
    for node in used:
        pair = _pair(context, node)
        if pair is None:
            continue
        finding, second = pair
        done |= {id(node), id(second)}
        yield finding
    left = [node for node in used if id(node) not in done]
    for node in left:
        told = INSTEAD.get(node.attr.value, REALTIME_BY_HAND.v1)
        yield Finding(REALTIME_BY_HAND, node, f"{node.attr.value}: {told}")
    for node in code.all(cst.Attribute):
        model = kinds.of(node.value) == "plugins.openai.realtime.RealtimeModel"
        if model and node.attr.value == "sessions":
            yield from _sessions(context, node, used, done)


def _sessions(
    context: Context, node: cst.Attribute, used: list[cst.Attribute], done: set[int]
) -> Iterator[Finding]:
    """`session = model.sessions[0]` goes with its last use."""
    code = context.code
    assign, line = code.within(node, cst.Assign), code.statement(node)
    target = assign.targets[0].target if assign is not None and len(assign.targets) == 1 else None
    if isinstance(target, cst.Name) and line is not None and len(line.body) == 1:
        spoken = {id(a.value) for a in used if id(a) in done}
        if all(id(read) in spoken for read in code.references(target)):
            gone: Edit = lambda _: cst.RemoveFromParent()  # noqa: E731
            yield Finding(REALTIME, node, "left out", ((line, gone),))
            return
    yield Finding(REALTIME_BY_HAND, node, f"sessions: {REALTIME_BY_HAND.v1}")


def _pair(context: Context, node: cst.Attribute) -> tuple[Finding, cst.Attribute] | None:
    """`session.conversation.item.create(message)` and, in the next line, `session.response.create()`."""
    code = context.code
    line = code.statement(node)
    block = code.parent(line) if line else None
    if line is None or not isinstance(block, cst.IndentedBlock) or not code.can_await(node):
        return None
    place = list(block.body).index(line)
    after = block.body[place + 1] if place + 1 < len(block.body) else None
    name = code.text(node.value)
    first, second = _call(line), _call(after)
    if first is None or second is None or second.args:
        return None
    if code.text(first.func) != f"{name}.conversation.item.create":
        return None
    if code.text(second.func) != f"{name}.response.create":
        return None
    said, agent = _said(context, first), _agent(context, node)
    if said is None or agent is None or after is None:
        return None
    text = f"await {agent}.generate_reply(user_input={said})"
    new: Edit = lambda old: old.with_changes(body=[cst.Expr(expression(text))])  # noqa: E731
    gone: Edit = lambda _: cst.RemoveFromParent()  # noqa: E731
    respond = second.func.value  # type: ignore[attr-defined]
    assert isinstance(respond, cst.Attribute)
    return Finding(REALTIME, node, text, ((line, new), (after, gone))), respond


def _call(line: cst.CSTNode | None) -> cst.Call | None:
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    only = line.body[0]
    value = only.value if isinstance(only, cst.Expr) else None
    value = value.expression if isinstance(value, cst.Await) else value
    return value if isinstance(value, cst.Call) else None


def _said(context: Context, call: cst.Call) -> str | None:
    """The text of the one user message that is given."""
    code = context.code
    message = call.args[0].value if len(call.args) == 1 else None
    if not isinstance(message, cst.Call) or code.name(message) != "llm.ChatMessage":
        return None
    role = argument(message.args, "role")
    content = argument(message.args, "content") or argument(message.args, "text")
    if role is None or content is None or code.text(role.value).strip("'\"") != "user":
        return None
    value = content.value
    if isinstance(value, cst.List) and len(value.elements) == 1:
        value = value.elements[0].value
    return code.text(value) if len(message.args) == 2 else None


def _agent(context: Context, node: cst.CSTNode) -> str | None:
    """The one MultimodalAgent that was started before, in the same function."""
    code, kinds = context.code, context.kinds
    found = {
        code.text(call.func.value)
        for call in code.all(cst.Call)
        if isinstance(call.func, cst.Attribute)
        and call.func.attr.value == "start"
        and kinds.of(call.func.value) in ("agents.MultimodalAgent", "agents.AgentSession")
        and code.line(call) < code.line(node)
        and code.within(call, cst.FunctionDef) is code.within(node, cst.FunctionDef)
    }
    return found.pop() if len(found) == 1 else None
