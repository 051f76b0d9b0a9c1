"""Direct bots: `rtc.Room().connect(url, token)`, the oldest pattern, to a worker."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import bind, expression, has_comment

BOT = Rule(
    "direct-bot",
    "worker",
    "room = rtc.Room(); await room.connect(url, token); asyncio.run(main())",
    "async def main(ctx: JobContext): room = ctx.room; await ctx.connect(); cli.run_app(WorkerOptions(entrypoint_fnc=main))",
    True,
    "only a worker is dispatched, drained and replaced under calls. Rewritten where the file shows that "
    "it is an agent (the identity in its token contains agent or bot) and has one room, one connect and "
    "one asyncio.run. The token's room and identity no longer count: the dispatch names the room, the "
    "identity is agent-<job id>, and every room that the server dispatches is joined",
)
CLIENT = Rule(
    "direct-room",
    "worker",
    "rtc.Room().connect(url, token) of another shape",
    "an entrypoint(ctx) that uses ctx.room and awaits ctx.connect(), run by cli.run_app",
    False,
    "v1 still connects such a room, so a client (a test caller, a recorder) may stay as it is: say so "
    "with `# releve: v1` on the line. An agent must become a worker, or nothing can be dispatched to it",
)
RULES = (BOT, CLIENT)

AGENT = re.compile(r"""with_identity\(\s*f?["'][^"']*(agent|bot)""", re.IGNORECASE)
SUBSCRIBE = {"True": "", "False": "auto_subscribe={}.SUBSCRIBE_NONE"}


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    connects = [call for call in code.all(cst.Call) if _is_connect(context, call)]
    for connect in connects:
        edits = _edits(context, connect) if len(connects) == 1 else None
        if edits is None:
            advice = "an agent: make it an entrypoint(ctx) with ctx.room and `await ctx.connect()`, run by "
            advice += "cli.run_app(WorkerOptions(entrypoint_fnc=…)); a client: leave it and write `# releve: v1` here"
            yield Finding(CLIENT, connect, advice)
        else:
            advice = "a worker with one entrypoint; it joins every room it is dispatched to, as agent-<job id>"
            yield Finding(BOT, connect, advice, tuple(edits))


def _is_connect(context: Context, call: cst.Call) -> bool:
    function = call.func
    if not isinstance(function, cst.Attribute) or function.attr.value != "connect":
        return False
    return context.kinds.of(function.value) == "rtc.Room"


def _edits(context: Context, connect: cst.Call) -> list[tuple[cst.CSTNode, Edit]] | None:
    """The rewrite, where every part of the pattern is there exactly once; else None."""
    code = context.code
    main = code.within(connect, cst.FunctionDef)
    rooms = code.calls("rtc.Room")
    if (
        main is None
        or not _plain(code, main)
        or len(rooms) != 1
        or code.calls("agents.WorkerOptions")
    ):
        return None
    room, variable = rooms[0], connect.func.value  # type: ignore[attr-defined]
    assign = code.parent(room)
    known = isinstance(assign, cst.Assign) and assign.targets[0].target.deep_equals(variable)
    if (
        not known
        or code.within(room, cst.FunctionDef) is not main
        or not AGENT.search(code.text(main))
    ):
        return None
    bound = bind(connect.args, ("url", "token", "options"))
    subscribe = _subscribe(context, bound.get("options")) if bound else None
    run = _run(code, main)
    awaits = code.parent(connect)
    if (
        subscribe is None
        or run is None
        or not isinstance(awaits, cst.Await)
        or not code.is_statement(awaits)
    ):
        return None
    use = context.imports.use
    param = cst.Param(cst.Name("ctx"), cst.Annotation(expression(use("JobContext"))))
    start = f"{use('cli')}.run_app({use('WorkerOptions')}(entrypoint_fnc={main.name.value}))"
    edits: list[tuple[cst.CSTNode, Edit]] = [
        (main.params, lambda node: node.with_changes(params=[param])),
        (room, lambda _: expression("ctx.room")),
        (connect, lambda _: expression(f"ctx.connect({subscribe})")),
        (run, lambda _: expression(start)),
    ]
    gone, line = _left_over(code, main, connect), code.statement(connect)
    edits += [(old, lambda _: cst.RemoveFromParent()) for old in gone]
    if gone and line and not line.leading_lines:
        blank = gone[0].leading_lines
        edits.append((line, lambda node: node.with_changes(leading_lines=blank)))
    return edits


def _plain(code: Code, main: cst.FunctionDef) -> bool:
    """A function of the module, without parameters, in which `ctx` is free."""
    named = any(n.value == "ctx" and code.inside(n, main) for n in code.all(cst.Name))
    bare = main.params.deep_equals(cst.Parameters())
    return (
        bool(main.asynchronous) and bare and not named and isinstance(code.parent(main), cst.Module)
    )


def _subscribe(context: Context, options: cst.Arg | None) -> str | None:
    """What ctx.connect() is to be given for the old options; None when that cannot be told."""
    if options is None:
        return ""
    call, code = options.value, context.code
    if not isinstance(call, cst.Call) or code.name(call) != "rtc.RoomOptions" or len(call.args) > 1:
        return None
    bound = bind(call.args, ("auto_subscribe",)) or {}
    value = bound.get("auto_subscribe")
    text = SUBSCRIBE.get(code.text(value.value) if value else "True")
    return text.format(context.imports.use("AutoSubscribe")) if text else text


def _run(code: Code, main: cst.FunctionDef) -> cst.Call | None:
    """`asyncio.run(main())` as a statement, the only place that reads `main`."""
    references = code.references(main.name)
    call = code.parent(references[0]) if len(references) == 1 else None
    run = code.within(call, cst.Call) if call else None
    scope = code.scope(run) if run else None
    if run is None or scope is None or not isinstance(call, cst.Call) or call.args:
        return None
    name = {q.name for q in scope.get_qualified_names_for(run)}
    return (
        run if name == {"asyncio.run"} and code.is_statement(run) and len(run.args) == 1 else None
    )


def _left_over(
    code: Code, main: cst.FunctionDef, connect: cst.Call
) -> list[cst.SimpleStatementLine]:
    """Local url and token that only the old connect read."""
    gone: list[cst.SimpleStatementLine] = []
    for arg in connect.args:
        if not isinstance(arg.value, cst.Name) or len(code.references(arg.value)) != 1:
            continue
        for assign in code.all(cst.Assign):
            line = code.statement(assign)
            mine = assign.targets[0].target.deep_equals(cst.Name(arg.value.value)) and code.inside(
                assign, main
            )
            if mine and line and len(line.body) == 1 and not has_comment(code.text(line)):
                gone.append(line)
    return gone
