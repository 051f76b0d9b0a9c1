"""A message's content: text or a list from 0.8 to 0.12, a list in v1."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.era import Era
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import argument, rename
from releve.upgrade.syntax.text import Is, holds

CONTENT = Rule(
    "chat-content",
    "chat",
    'llm.ChatMessage(role=…, content="…"), message.content read or set as text',
    'llm.ChatMessage(role=…, content=["…"]), message.text_content, message.content = ["…"]',
    True,
    "content is a list in v1: text given to the constructor is refused, text assigned reaches the model a letter "
    "a line, and what is read prints as a list. Flagged where the file does not tell whether it is text",
)
RULES = (CONTENT,)


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for call in code.all(cst.Call):
        function = call.func
        adds = isinstance(function, cst.Attribute) and function.attr.value == "add_message"
        made = code.name(call) == "llm.ChatMessage"
        if made or (adds and kinds.of(function.value) == "llm.ChatContext"):  # type: ignore[attr-defined]
            yield from _given(context, argument(call.args, "content"))
    for node in code.all(cst.Attribute):
        if node.attr.value == "content" and kinds.of(node.value) == "llm.ChatMessage":
            yield from _used(context, node)


def _given(context: Context, arg: cst.Arg | None) -> Iterator[Finding]:
    if arg is None:
        return
    what = holds(context.code, arg.value)
    if what is Is.TEXT:
        yield Finding(CONTENT, arg, "content=[…]", ((arg, _listed),))
    elif what is Is.UNKNOWN:
        text = context.code.text(arg.value)
        yield Finding(CONTENT, arg, f"content takes a list: content=[{text}] if {text} is text")


def _listed(node: cst.Arg) -> cst.Arg:
    value = node.value
    return node.with_changes(value=cst.List([cst.Element(value)]))


def _used(context: Context, node: cst.Attribute) -> Iterator[Finding]:
    code, above = context.code, context.code.parent(node)
    text = Finding(CONTENT, node, "text_content", ((node, rename("text_content")),))
    if isinstance(above, cst.AssignTarget):
        yield from _set(context, node, above)
    elif isinstance(above, cst.AugAssign) and above.target is node:
        yield Finding(CONTENT, node, "message.content is a list: message.content.append(…)")
    elif isinstance(above, cst.Attribute):
        if above.attr.value in dir(str) and above.attr.value not in dir(list):
            yield text
    elif isinstance(above, cst.Arg) and _asks_for_text(code, above):
        yield Finding(CONTENT, node, "content is always a list: ask for message.text_content")
    elif context.era is not Era.V1 and not _as_list(code, node, above):
        yield text


def _set(context: Context, node: cst.Attribute, target: cst.AssignTarget) -> Iterator[Finding]:
    assign = context.code.parent(target)
    value = assign.value if isinstance(assign, cst.Assign) and len(assign.targets) == 1 else None
    what = holds(context.code, value) if value is not None else Is.UNKNOWN
    if what is Is.TEXT:
        edit: Edit = lambda new: new.with_changes(value=cst.List([cst.Element(new.value)]))  # noqa: E731
        yield Finding(CONTENT, node, "content = […]", ((assign, edit),))  # type: ignore[arg-type]
    elif what is Is.UNKNOWN:
        yield Finding(CONTENT, node, "content takes a list: message.content = [text]")


def _asks_for_text(code: Code, arg: cst.Arg) -> bool:
    """`isinstance(message.content, str)`."""
    call = code.parent(arg)
    if not isinstance(call, cst.Call) or code.text(call.func) != "isinstance":
        return False
    return len(call.args) == 2 and code.text(call.args[1].value) == "str"


def _as_list(code: Code, node: cst.Attribute, above: cst.CSTNode | None) -> bool:
    """Whether it is read as a list, which it may have been before 1.0, too."""
    if isinstance(above, cst.Subscript):
        return above.value is node
    if isinstance(above, cst.For | cst.CompFor):
        return above.iter is node
    if isinstance(above, cst.Arg):
        call = code.parent(above)
        told = code.text(call.func) if isinstance(call, cst.Call) else ""
        return told in ("isinstance", "list", "enumerate", "type")
    return isinstance(above, cst.StarredElement)
