"""Chat contexts, messages and roles; and asking a model directly."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import (
    argument,
    bind,
    keyword,
    rebuild,
    rename,
    replace,
    with_text,
)

ROLE = Rule(
    "chat-role",
    "chat",
    "llm.ChatRole.SYSTEM | USER | ASSISTANT",
    '"system" | "user" | "assistant"',
    True,
    "roles are strings now",
)
TOOL_ROLE = Rule(
    "chat-role-tool",
    "chat",
    "llm.ChatRole.TOOL",
    "llm.FunctionCall and llm.FunctionCallOutput items",
    False,
    "v1 has no such role: calls and their outputs are items of their own",
)
MESSAGE = Rule(
    "chat-message",
    "chat",
    "llm.ChatMessage(role=…, text=…, images=[llm.ChatImage(image=…)]), message.text",
    "llm.ChatMessage(role=…, content=[text, llm.ImageContent(image=…)]), message.text_content",
    True,
    "text and images are one list; text_content is None in a message without text. Flagged where the "
    "images are computed",
)
CONTEXT = Rule(
    "chat-context",
    "chat",
    "llm.ChatContext(messages=[…]), context.messages",
    "llm.ChatContext([…]), context.items",
    True,
    "a context holds items: messages, function calls and their outputs. What comes from a session may have "
    "calls among them, which have no role",
)
ASK = Rule(
    "llm-chat",
    "chat",
    "stream = await model.chat(history=…, fnc_ctx=…)",
    "stream = model.chat(chat_ctx=…, tools=…)",
    True,
    "chat() returns the stream at once; flagged with temperature or n, which are the constructor's now",
)
CHUNK = Rule(
    "llm-chunk",
    "chat",
    "chunk.choices[0].delta.content",
    "if chunk.delta and chunk.delta.content: …",
    False,
    "a chunk has one delta, and the last chunk has none: look at every place that reads it",
)
MAYBE = Rule(
    "maybe-chat",
    "chat",
    ".messages of an object that is called like a chat context and whose type the file does not tell",
    ".items",
    False,
    "annotate the variable (`chat_ctx: llm.ChatContext`) and run the tool again, or write `# releve: v1` on the line",
)
RULES = (ROLE, TOOL_ROLE, MESSAGE, CONTEXT, MAYBE, ASK, CHUNK)

CALLED = re.compile(r"(chat|initial)_?(ctx|context)$|\bchat_history$")

ROLES = {f"llm.ChatRole.{name.upper()}": f'"{name}"' for name in ("system", "user", "assistant")}
MESSAGE_ORDER = ("role", "text", "images")


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for node in code.all(cst.Attribute):
        name, kind, attr = code.name(node) or "", kinds.of(node.value), node.attr.value
        above = code.parent(node)
        if name in ROLES:
            valued = isinstance(above, cst.Attribute) and above.attr.value == "value"
            place = above if valued and above else node
            yield Finding(ROLE, node, ROLES[name], ((place, replace(_quoted(code, node, name))),))
        elif name == "llm.ChatRole.TOOL":
            yield Finding(TOOL_ROLE, node, TOOL_ROLE.v1)
        elif kind == "llm.ChatMessage" and attr == "text":
            yield _text(context, node)
        elif kind == "llm.ChatMessage" and attr == "images":
            advice = "[item for item in message.content if isinstance(item, llm.ImageContent)]"
            yield Finding(MESSAGE, node, advice)
        elif kind == "llm.ChatMessage" and attr == "role" and isinstance(above, cst.Attribute):
            if above.attr.value == "value":
                yield Finding(ROLE, node, "the role itself", ((above, lambda new: new.value),))
        elif kind == "llm.ChatContext" and attr == "messages":
            yield Finding(CONTEXT, node, "items", ((node, rename("items")),))
        elif kind is None and attr == "messages" and _like_a_context(code, node):
            text = code.text(node.value)
            yield Finding(
                MAYBE, node, f"if {text} is a ChatContext, write .items; else `# releve: v1`"
            )
        elif kind == "llm.ChatChunk" and attr == "choices":
            yield Finding(CHUNK, node, CHUNK.v1)
    for call in code.calls("llm.ChatContext"):
        if (arg := argument(call.args, "messages")) is not None:
            yield Finding(CONTEXT, call, "ChatContext([…])", ((arg, _positional),))
    for call in code.calls("llm.ChatMessage"):
        yield from _message(context, call)
    for call in code.calls("llm.ChatImage"):
        yield Finding(MESSAGE, call, "ImageContent(image=…)", ((call, _image(context, call)),))
    for call in code.all(cst.Call):
        function = call.func
        asks = isinstance(function, cst.Attribute) and function.attr.value == "chat"
        if asks and kinds.of(function.value) == "llm.LLM":  # type: ignore[attr-defined]
            yield from _ask(context, call)


def _like_a_context(code: Code, node: cst.Attribute) -> bool:
    """Whether `x.messages` is likely a chat context's, by the name of x, in a file of agents."""
    named = CALLED.search(code.text(node.value)) is not None
    return named and b"livekit.agents" in code.module.bytes


def _unawaited(node: cst.BaseExpression) -> cst.BaseExpression:
    """`await x` is x; also in the `(await x).to_str_iterable()` that say() makes of it meanwhile."""
    if isinstance(node, cst.Await):
        return node.expression
    return node.with_deep_changes(node.func, value=_unawaited(node.func.value))  # type: ignore[attr-defined]


def _quoted(code: Code, node: cst.CSTNode, name: str) -> str:
    """The role as a string that may stand where it is, also within an f-string of Python 3.11."""
    outer = code.within(node, cst.FormattedString)
    double = outer is not None and outer.start.endswith('"')
    return ROLES[name].replace('"', "'") if double else ROLES[name]


def _positional(arg: cst.Arg) -> cst.Arg:
    return arg.with_changes(keyword=None, equal=cst.MaybeSentinel.DEFAULT)


def _text(context: Context, node: cst.Attribute) -> Finding:
    above = context.code.parent(node)
    if not isinstance(above, cst.AssignTarget | cst.AugAssign):
        return Finding(MESSAGE, node, "text_content", ((node, rename("text_content")),))
    assign = context.code.parent(above)
    if isinstance(assign, cst.Assign) and len(assign.targets) == 1:
        content: Edit = lambda new: new.with_changes(value=cst.List([cst.Element(new.value)]))  # noqa: E731
        return Finding(
            MESSAGE, node, "content = […]", ((node, rename("content")), (assign, content))
        )
    return Finding(MESSAGE, node, "set message.content = […]")


def _message(context: Context, call: cst.Call) -> Iterator[Finding]:
    starred = any(arg.star for arg in call.args)
    bound = bind([arg for arg in call.args if not arg.star], MESSAGE_ORDER)
    if bound is None or not {"text", "images"} & set(bound):
        return
    images = bound["images"].value if "images" in bound else cst.List([])
    if starred or not isinstance(images, cst.List):
        yield Finding(
            MESSAGE, call, "content=[text, *images], each image an llm.ImageContent(image=…)"
        )
    else:
        yield Finding(MESSAGE, call, "content=[…]", ((call, _with_content),))


def _image(context: Context, old: cst.Call) -> Edit:
    bare = isinstance(old.func, cst.Name)
    use = context.imports.use("ImageContent", "livekit.agents.llm") if bare else ""

    def edit(call: cst.Call) -> cst.Call:
        new = cst.parse_expression(use) if use else rename("ImageContent")(call.func)
        first, args = call.args[0] if call.args else None, list(call.args)
        if first is not None and first.keyword is None:
            args[0] = keyword("image", first.value).with_changes(comma=first.comma)
        return call.with_changes(func=new, args=args)

    return edit


def _with_content(call: cst.Call) -> cst.Call:
    images, text = cst.List([]), None
    args: list[cst.Arg] = []
    for place, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else MESSAGE_ORDER[place]
        if name == "images":
            images = arg.value if isinstance(arg.value, cst.List) else images
        elif name == "text":
            text = arg.value
            args.append(
                keyword("content", cst.List([])).with_changes(
                    comma=arg.comma, whitespace_after_arg=arg.whitespace_after_arg
                )
            )
        elif name == "role" and not arg.keyword:
            args.append(keyword("role", arg.value).with_changes(comma=arg.comma))
        else:
            args.append(arg)
    content = with_text(images, text)
    filled = [
        a.with_changes(value=content) if a.keyword and a.keyword.value == "content" else a
        for a in args
    ]
    if text is None:
        filled.append(keyword("content", content))
    return rebuild(call, filled)


def _ask(context: Context, call: cst.Call) -> Iterator[Finding]:
    bound = bind(call.args, ("history", "fnc_ctx", "temperature", "n"))
    awaits = context.code.parent(call)
    if bound is None or not ({"history", "fnc_ctx"} & set(bound) or isinstance(awaits, cst.Await)):
        return
    # Half migrated, or of 0.8 and later, where it was no coroutine any more.
    later = "chat_ctx" in bound and not isinstance(awaits, cst.Await)
    if {"temperature", "n"} & set(bound) or not (later or isinstance(awaits, cst.Await)):
        yield Finding(
            ASK,
            call,
            "model.chat(chat_ctx=…), not awaited; temperature goes to the model's constructor, n is gone",
        )
        return
    tools = f"{context.imports.use('llm')}.find_function_tools" if "fnc_ctx" in bound else ""

    def edit(node: cst.Call) -> cst.Call:
        args = []
        for place, arg in enumerate(node.args):
            name = arg.keyword.value if arg.keyword else ("history", "fnc_ctx")[place]
            value = (
                cst.Call(cst.parse_expression(tools), [cst.Arg(arg.value)])
                if name == "fnc_ctx"
                else arg.value
            )
            made = keyword({"history": "chat_ctx", "fnc_ctx": "tools"}.get(name, name), value)
            args.append(
                made.with_changes(comma=arg.comma, whitespace_after_arg=arg.whitespace_after_arg)
            )
        return rebuild(node, args)

    edits: list[tuple[cst.CSTNode, Edit]] = [(call, edit)]
    if isinstance(awaits, cst.Await):
        edits.append((awaits, _unawaited))
    yield Finding(ASK, call, "chat(chat_ctx=…), not awaited", tuple(edits))
