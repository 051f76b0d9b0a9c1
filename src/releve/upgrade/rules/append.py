"""Chat contexts as 0.8 and later built them: `ChatContext().append(role=…, text=…)`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import (
    WIDTH,
    bind,
    expression,
    has_comment,
    keyword,
    one_a_line,
    rebuild,
    rename,
    replace,
    with_text,
)

APPEND = Rule(
    "chat-append",
    "chat",
    "llm.ChatContext().append(role=…, text=…), context.append(…), llm.ChatMessage.create(…)",
    "llm.ChatContext([llm.ChatMessage(role=…, content=[…])]), context.add_message(role=…, content=[…])",
    True,
    "v0.8's append() gave the context back, v1's add_message() the message: rewritten where nothing is done "
    "with what a later append() gives, flagged elsewhere",
)
RULES = (APPEND,)

ORDER = ("role", "text", "images")  # by keyword only


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for call in code.calls("llm.ChatMessage.create"):
        content = content_of(call)
        if content is None:
            yield Finding(APPEND, call, "llm.ChatMessage(role=…, content=[…])")
        else:
            owner = code.text(call.func.value)  # type: ignore[attr-defined]
            yield Finding(APPEND, call, "ChatMessage(…)", ((call, replace(f"{owner}({content})")),))
    for call in code.all(cst.Call):
        function = call.func
        appends = isinstance(function, cst.Attribute) and function.attr.value == "append"
        if not appends or kinds.of(function.value) != "llm.ChatContext":  # type: ignore[attr-defined]
            continue
        above = code.parent(call)
        if isinstance(above, cst.Attribute) and above.attr.value == "append":
            continue  # of a chain: the last one speaks for it
        made, content = chain(context, call), content_of(call)
        if made is not None:
            edit = replace(_literal(context, made))
            yield Finding(APPEND, call, "ChatContext([…])", ((call, edit),))
        elif content is not None and code.is_statement(call):
            edits = ((function, rename("add_message")), (call, _with(content)))
            yield Finding(APPEND, call, "add_message(role=…, content=[…])", edits)
        else:
            yield Finding(APPEND, call, "add_message(role=…, content=[…]), in a line of its own")


def _with(content: str) -> Edit:
    call = expression(f"f({content})")
    assert isinstance(call, cst.Call)
    args = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in call.args]
    return lambda node: rebuild(node, args)


def chain(context: Context, call: cst.CSTNode) -> list[cst.Call] | None:
    """The appends of `ChatContext().append(…).append(…)`, the first first, if it is one throughout."""
    found: list[cst.Call] = []
    node: cst.CSTNode = call
    while (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Attribute)
        and node.func.attr.value == "append"
    ):
        if content_of(node) is None:
            return None
        found.insert(0, node)
        node = node.func.value
    empty = isinstance(node, cst.Call) and context.code.name(node) == "llm.ChatContext"
    return found if found and empty and not node.args else None  # type: ignore[attr-defined]


def content_of(call: cst.Call) -> str | None:
    """`role=…, content=[…]` of an append, as text; None where its images are computed, or where a
    comment stands."""
    bound, module = bind(call.args, ORDER), cst.Module([])
    if any(has_comment(module.code_for_node(arg)) for arg in call.args):
        return None
    if bound is None or not set(bound) <= set(ORDER):
        return None
    images = bound["images"].value if "images" in bound else cst.List([])
    if not isinstance(images, cst.List):
        return None
    content = with_text(images, bound["text"].value if "text" in bound else None)
    role = module.code_for_node(bound["role"].value) if "role" in bound else '"system"'
    return f"role={role}, {module.code_for_node(keyword('content', content))}"


def _literal(context: Context, appends: list[cst.Call]) -> str:
    code = context.code
    start: cst.CSTNode = appends[0].func.value  # type: ignore[attr-defined]
    assert isinstance(start, cst.Call)
    made = code.text(start.func)
    message = made.removesuffix("ChatContext") + "ChatMessage"
    if isinstance(start.func, cst.Name):
        message = context.imports.use("ChatMessage", "livekit.agents.llm")
    messages = [f"{message}({content_of(call)})" for call in appends]
    flat, indent = f"{made}([{', '.join(messages)}])", len(code.indent(start))
    if indent + len(flat) + len("name = ") <= WIDTH:
        return flat
    deep = code.depth(start) - indent
    return f"{made}({one_a_line([f'[{one_a_line(messages, deep + 8)}]'], deep + 4)})".replace(
        ",\n" + " " * deep + ")", "\n" + " " * deep + ")"
    )
