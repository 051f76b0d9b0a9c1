"""The worker: from a request function that accepts with an entry, to an entrypoint that connects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.rules.options import V0_ORDER, named, without
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import argument, bind, has_comment, keyword, rebuild, with_first

ACCEPT = Rule(
    "accept-entry",
    "worker",
    "WorkerOptions(request_fnc=request), await req.accept(entry, auto_subscribe=…)",
    "WorkerOptions(entrypoint_fnc=entry), await ctx.connect(auto_subscribe=…) at the start of entry",
    True,
    "v1 asks for the entrypoint up front and leaves connecting to it; a request function that only "
    "accepts is v1's default and goes away, any other stays and accepts without the entry",
)
ACCEPT_BY_HAND = Rule(
    "accept-entry-by-hand",
    "worker",
    "accept() with different entries, an entry of another file, within a function or of an object, or a "
    "request function of another file",
    "one entrypoint that begins with `await ctx.connect(auto_subscribe=…)`; choose inside it by "
    "ctx.job.metadata or ctx.room.name",
    False,
    "v1 has one entrypoint for all jobs, named in WorkerOptions; its process finds it by importing the file, "
    "where v0 forked",
)
DISCONNECT = Rule(
    "auto-disconnect",
    "worker",
    "accept(…, auto_disconnect=AutoDisconnect.…)",
    "nothing; ctx.shutdown() where the call is over",
    True,
    "0.7.2 took it and did nothing with it, v1 does not know it",
)
RULES = (ACCEPT, ACCEPT_BY_HAND, DISCONNECT)

MOVED_ARGS = ("entry", "auto_subscribe", "auto_disconnect")


@dataclass(frozen=True)
class Accepting:
    """A request function that v1 can do without, or with less: what its accepts agree on."""

    entry: cst.BaseExpression
    function: cst.FunctionDef  # the entry
    subscribe: str  # the value of auto_subscribe, "" for the default
    edits: list[tuple[cst.CSTNode, Edit]]
    only: bool  # it does nothing else: remove it


def find(context: Context) -> Iterator[Finding]:
    code, handled = context.code, set()
    for call in code.calls("agents.WorkerOptions"):
        bound = bind(call.args, V0_ORDER)
        if bound is None:
            continue
        if "entrypoint_fnc" in bound or _v1_positional(context, bound, call):
            request = None
        else:
            request = code.resolve(bound["request_fnc"].value) if "request_fnc" in bound else None
            handled.add(id(request))
            yield from _request(context, call, bound, request)
    for accept in _accepts(context, None):
        arg = argument(accept.args, "auto_disconnect")
        if arg is not None and not has_comment(code.text(arg.value)):
            yield Finding(
                DISCONNECT,
                arg,
                "left out: 0.7.2 did nothing with it",
                ((accept, without("auto_disconnect")),),
            )
        if id(code.within(accept, cst.FunctionDef)) not in handled and _entry(accept):
            advice = (
                "no WorkerOptions of this file uses this request function: name the entrypoint "
            )
            yield Finding(
                ACCEPT_BY_HAND, accept, advice + "where WorkerOptions is, and connect in it"
            )


def _v1_positional(context: Context, bound: dict[str, cst.Arg], call: cst.Call) -> bool:
    """`WorkerOptions(f)`: v1 when f takes a JobContext."""
    first = bound.get("request_fnc")
    function = context.code.resolve(first.value) if first and not first.keyword else None
    params = context.code.params(function) if function else []
    return bool(params) and context.kinds.of(params[0].name) == "agents.JobContext"


def _accepts(context: Context, request: cst.FunctionDef | None) -> Iterator[cst.Call]:
    code = context.code
    for call in code.all(cst.Call):
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "accept":
            if request is None:
                if context.kinds.of(call.func.value) == "agents.JobRequest":
                    yield call
            elif code.inside(call, request) and isinstance(call.func.value, cst.Name):
                params = code.params(request)
                if params and params[0].name.value == call.func.value.value:
                    yield call


def _entry(accept: cst.Call) -> cst.BaseExpression | None:
    named = argument(accept.args, "entry")
    if named:
        return named.value
    return accept.args[0].value if accept.args and not accept.args[0].keyword else None


def _request(
    context: Context, call: cst.Call, bound: dict[str, cst.Arg], request: cst.FunctionDef | None
) -> Iterator[Finding]:
    code = context.code
    if request is None:
        advice = "name the entrypoint: WorkerOptions(entrypoint_fnc=…); the request function is not in this file"
        yield Finding(ACCEPT_BY_HAND, call, advice)
        return
    agreed = _agreed(context, request)
    if isinstance(agreed, str):
        yield Finding(ACCEPT_BY_HAND, next(_accepts(context, request), call), agreed)
        yield Finding(ACCEPT_BY_HAND, call, "name that entrypoint here: entrypoint_fnc=…")
        return
    entry, remove = agreed.entry, agreed.only and _only_here(code, request)
    edits = [*agreed.edits]
    if remove:
        edits = [(request, lambda _: cst.RemoveFromParent())]
    edits.append((call, lambda node: _with_entry(node, entry, remove)))
    written = f"entrypoint_fnc={code.text(entry)}"
    connect = _connects(code, agreed.function)
    if not connect:
        ctx = code.params(agreed.function)[0].name.value
        line = f"await {ctx}.connect({'auto_subscribe=' + agreed.subscribe if agreed.subscribe else ''})\n"
        edits.append((agreed.function, lambda node: with_first(node, [line])))
        written += f", and `{line.strip()}` in it"
    yield Finding(ACCEPT, call, written, tuple(edits))


def _agreed(context: Context, request: cst.FunctionDef) -> Accepting | str:
    """What every accept in the request function says, or why that cannot be told."""
    code, accepts = context.code, list(_accepts(context, request))
    entries = [_entry(accept) for accept in accepts]
    if not accepts or None in entries:
        return "the request function accepts without an entry, or not at all: name the entrypoint in WorkerOptions"
    first = entries[0]
    assert first is not None
    if any(entry is None or not entry.deep_equals(first) for entry in entries):
        return "accept() is called with different entries: write one entrypoint that chooses, by ctx.job.metadata or ctx.room.name"
    function = code.resolve(first)
    if function is None or not function.asynchronous or not code.params(function):
        return f"{code.text(first)} is not an async function of this file: begin it with `await ctx.connect(…)` and name it as entrypoint_fnc"
    if not _reached_by_name(code, first, function):
        return (
            f"{code.text(first)} has to be a function of the module (or a classmethod): v1 sends its "
            "name to the job's process, where v0 forked; hand over what it took from around it"
        )
    subscribes = [argument(accept.args, "auto_subscribe") for accept in accepts]
    texts = {code.text(a.value) if a else "" for a in subscribes}
    constant = all(
        a is None or (code.name(a.value) or "").startswith("agents.AutoSubscribe.")
        for a in subscribes
    )
    if len(texts) != 1 or not constant:
        return "auto_subscribe is not one constant: give it to ctx.connect() in the entrypoint"
    edits: list[tuple[cst.CSTNode, Edit]] = []
    for accept in accepts:
        if any(has_comment(code.text(a.value)) for a in accept.args if _moves(a)):
            return "a comment stands among the arguments of accept(): move them by hand"
        edits.append((accept, lambda node: rebuild(node, [a for a in node.args if not _moves(a)])))
    only = (
        len(accepts) == 1
        and all(_moves(a) for a in accepts[0].args)
        and _does_nothing_else(code, request)
    )
    return Accepting(first, function, texts.pop(), edits, only)


def _reached_by_name(code: Code, entry: cst.BaseExpression, function: cst.FunctionDef) -> bool:
    """Whether another process that imports the module finds the function there."""
    owner = code.owner(function)
    if code.within(owner or function, cst.FunctionDef) is not None:
        return False
    return owner is None or code.text(entry) == f"{owner.name.value}.{function.name.value}"


def _moves(arg: cst.Arg) -> bool:
    return arg.keyword is None or arg.keyword.value in MOVED_ARGS


def _does_nothing_else(code: Code, request: cst.FunctionDef) -> bool:
    body = request.body.body
    if len(body) != 1 or request.decorators or has_comment(code.text(request)):
        return False
    only = (
        body[0].body[0]
        if isinstance(body[0], cst.SimpleStatementLine) and len(body[0].body) == 1
        else body[0]
    )
    return (
        isinstance(only, cst.Expr)
        and isinstance(only.value, cst.Await)
        and isinstance(only.value.expression, cst.Call)
    )


def _only_here(code: Code, request: cst.FunctionDef) -> bool:
    """Whether WorkerOptions alone reads the function, and no comment above it would be lost."""
    if any(line.comment for line in request.leading_lines):
        return False
    return isinstance(code.parent(request), cst.Module) and len(code.references(request.name)) == 1


def _connects(code: Code, function: cst.FunctionDef) -> bool:
    ctx = code.params(function)[0].name.value
    return any(
        code.text(call.func) == f"{ctx}.connect" and code.inside(call, function)
        for call in code.all(cst.Call)
    )


def _with_entry(call: cst.Call, entry: cst.BaseExpression, alone: bool) -> cst.Call:
    """The options with the entrypoint, in place of the request function or before it."""
    args: list[cst.Arg] = []
    for place, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else V0_ORDER[place]
        if name == "request_fnc":
            args.append(keyword("entrypoint_fnc", entry.deep_clone()))
            if alone:
                args[-1] = args[-1].with_changes(comma=arg.comma)
                continue
        args.append(named(arg, name))
    return rebuild(call, args)
