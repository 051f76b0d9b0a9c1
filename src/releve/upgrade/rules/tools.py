"""Function contexts to function tools."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import bind, has_comment, keyword, rebuild

TOOL = Rule(
    "function-tool",
    "tools",
    "@llm.ai_callable(desc=…)",
    "@function_tool(description=…)",
    True,
    "auto_retry did nothing in 0.7.2 and goes. A tool is awaited, so a plain def becomes async where "
    "nothing here calls it; v1 hands what it returns to the model, which answers",
)
CLASS = Rule(
    "function-context",
    "tools",
    "class Functions(llm.FunctionContext)",
    "class Functions; Agent(tools=llm.find_function_tools(Functions()))",
    True,
    "tools are plain functions or methods: the base class goes",
)
TYPE = Rule(
    "tool-argument",
    "tools",
    "Annotated[str, llm.TypeInfo(desc=…)]",
    "Annotated[str, Field(description=…)]",
    True,
    "arguments are described by pydantic's Field (or by an Args: section in the docstring)",
)
CHOICES = Rule(
    "tool-choices",
    "tools",
    "llm.TypeInfo(choices=[…])",
    'Literal["…", …] or an enum as the type; of a list that is computed, an enum made of it',
    False,
    "a Field has no choices: left out, the model may say anything",
)
ADDED = Rule(
    "function-added",
    "tools",
    "@functions.ai_callable(…), which adds a function to a context at run time",
    "@function_tool(description=…), and tools=[*llm.find_function_tools(functions), that_function]",
    False,
    "a plain class has no such method; the agent is given every tool when it is made",
)
SYNC = Rule(
    "function-tool-sync",
    "tools",
    "@llm.ai_callable on a plain def that other code calls",
    "async def, and await where it is called",
    False,
    "v1 awaits every tool; making it async changes its other callers",
)
LIST = Rule(
    "function-list",
    "tools",
    "functions.ai_functions",
    "llm.find_function_tools(functions), a list of the functions themselves",
    False,
    "what was kept by name with its arguments described is now on the function",
)
RULES = (TOOL, CLASS, TYPE, CHOICES, ADDED, SYNC, LIST)

DOCSTRING = "llm.USE_DOCSTRING"


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    for call in code.calls("llm.ai_callable"):
        if any(has_comment(code.text(a.value)) for a in call.args):
            yield Finding(
                TOOL,
                call,
                "a comment stands among its arguments: write @function_tool(description=…) by hand",
            )
            continue
        use = context.imports.use("function_tool")
        told = [a for a in call.args if code.name(a.value) != DOCSTRING]  # v1 does so by itself
        yield Finding(
            TOOL, call, f"@{use}", ((call, _tool(use, [call.args.index(a) for a in told])),)
        )
    for node in code.all(cst.Attribute):
        if node.attr.value == "ai_functions":
            yield Finding(LIST, node, LIST.v1)
        elif node.attr.value == "ai_callable" and code.name(node) is None:
            yield Finding(ADDED, node, ADDED.v1)
    for function in code.all(cst.FunctionDef):
        yield from _sync(context, function)
    for owner in code.all(cst.ClassDef):
        bases = [a for a in owner.bases if code.name(a.value) == "llm.FunctionContext"]
        if bases:
            yield Finding(
                CLASS, owner, "a plain class", ((owner, _plain(owner.bases.index(bases[0]))),)
            )
    for call in code.calls("llm.TypeInfo"):
        bound = bind(call.args, ("desc",))
        if bound is None or "choices" in bound:
            yield Finding(CHOICES, call, f"{CHOICES.v1}; and Field(description=…)")
        else:
            use = context.imports.use("Field", "pydantic")
            yield Finding(TYPE, call, f"{use}(description=…)", ((call, _field(use)),))


def _tool(use: str, told: list[int]) -> Edit:
    """`told`: which of its arguments v1 must be told, too."""

    def edit(call: cst.Call) -> cst.Call:
        kept = []
        for arg in (call.args[place] for place in told):
            if arg.keyword and arg.keyword.value == "desc":
                arg = arg.with_changes(keyword=cst.Name("description"))
            if not (arg.keyword and arg.keyword.value == "auto_retry"):
                kept.append(arg)
        return rebuild(call, kept).with_changes(func=cst.parse_expression(use))

    return edit


def _field(use: str) -> Edit:
    def edit(call: cst.Call) -> cst.Call:
        made = [keyword("description", arg.value) for arg in call.args]
        return rebuild(call, made).with_changes(func=cst.parse_expression(use))

    return edit


def _plain(place: int) -> Edit:
    def edit(node: cst.ClassDef) -> cst.ClassDef:
        bases = [b for i, b in enumerate(node.bases) if i != place]
        none = cst.MaybeSentinel.DEFAULT
        if bases:
            bases[-1] = bases[-1].with_changes(comma=none)
            return node.with_changes(bases=bases)
        if node.keywords:
            return node.with_changes(bases=[])
        return node.with_changes(bases=[], lpar=none, rpar=none)

    return edit


def _calls(context: Context, call: cst.Call, function: cst.FunctionDef) -> bool:
    """Whether a call may be of that function: by its name, unless it is another object's."""
    code, called = context.code, call.func
    owner = code.owner(function)
    if isinstance(called, cst.Name):
        return owner is None and called.value == function.name.value
    if not isinstance(called, cst.Attribute) or called.attr.value != function.name.value:
        return False
    kind = context.kinds.of(called.value)
    if kind is None:  # whatever it is, unless it is a module or the tool is no method
        return owner is not None and code.full(called) is None
    return context.kinds.own.get(kind) is owner


def _sync(context: Context, function: cst.FunctionDef) -> Iterator[Finding]:
    """A plain def under ai_callable (or, half migrated, under function_tool)."""
    code = context.code
    marks = {code.name(d.decorator) for d in function.decorators}
    if function.asynchronous or not marks & {
        "llm.ai_callable",
        "agents.function_tool",
        "llm.function_tool",
    }:
        return
    name = function.name.value
    called = [c for c in code.all(cst.Call) if _calls(context, c, function)]
    if called:
        yield Finding(
            SYNC, function, f"async def {name}, and await its calls (line {code.line(called[0])})"
        )
        return
    edit: Edit = lambda node: node.with_changes(asynchronous=cst.Asynchronous())  # noqa: E731
    yield Finding(TOOL, function, f"async def {name}", ((function, edit),))
