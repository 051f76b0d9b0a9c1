"""The other options of WorkerOptions: namespace, type, load."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import bind, expression, has_comment, keyword, rebuild

NAMESPACE = Rule(
    "worker-namespace",
    "worker",
    "WorkerOptions(namespace=…)",
    "WorkerOptions(agent_name=…) and explicit dispatch to that name; 'default' is just left out",
    True,
    "v1 has no namespaces; any but 'default' is flagged, for somebody must dispatch to the name",
)
OPTIONS = Rule(
    "worker-options",
    "worker",
    "WorkerOptions(request, load, 0.8, …), worker_type=JobType.JT_ROOM | JT_PUBLISHER",
    "the same options by keyword, worker_type=WorkerType.ROOM | PUBLISHER",
    True,
    "v1 orders the options otherwise, and has an enum of its own for the type",
)
LOAD = Rule(
    "load-of-children",
    "worker",
    "load_fnc that counts child processes",
    "def load(worker: Worker): return min(len(worker.active_jobs) / MOST, 1.0)",
    False,
    "v1 keeps idle processes warm, which are children without a call: a worker may look full when it is empty",
)
RULES = (NAMESPACE, OPTIONS, LOAD)

V0_ORDER = [
    "request_fnc",
    "load_fnc",
    "load_threshold",
    "namespace",
    "permissions",
    "worker_type",
    "max_retry",
    "ws_url",
    "api_key",
    "api_secret",
    "host",
    "port",
]
JOB_TYPES = {
    "protocol.agent.JobType.JT_ROOM": "ROOM",
    "protocol.agent.JT_ROOM": "ROOM",
    "protocol.agent.JobType.JT_PUBLISHER": "PUBLISHER",
    "protocol.agent.JT_PUBLISHER": "PUBLISHER",
}


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    for call in code.calls("agents.WorkerOptions"):
        bound = bind(call.args, V0_ORDER)
        if bound is None:
            yield Finding(OPTIONS, call, "write the options out by keyword; a * hides them")
            continue
        yield from _options(context, call, bound)
        load = bound.get("load_fnc")
        counted = code.resolve(load.value) if load else None
        if load and counted and "children" in code.text(counted):
            yield Finding(LOAD, load, f"{LOAD.v1}: idle processes are children too")


def _options(context: Context, call: cst.Call, bound: dict[str, cst.Arg]) -> Iterator[Finding]:
    code = context.code
    space = bound.get("namespace")
    if space is not None:
        value = space.value
        default = isinstance(value, cst.SimpleString) and value.evaluated_value == "default"
        if default and not has_comment(code.text(value)):
            edits = ((call, _by_keyword), (call, without("namespace")))
            yield Finding(NAMESPACE, space, "namespace='default' left out", edits)
        else:
            advice = f"register under a name instead, WorkerOptions(agent_name={code.text(value)}), and dispatch to it: "
            advice += "room_config.agents in the join token, or api.agent_dispatch.create_dispatch"
            yield Finding(NAMESPACE, space, advice)
    kind = bound.get("worker_type")
    if kind is not None and not (code.name(kind.value) or "").startswith("agents.WorkerType"):
        wanted = JOB_TYPES.get(code.name(kind.value) or "")
        if wanted is None:
            yield Finding(
                OPTIONS, kind, "write WorkerType.ROOM or WorkerType.PUBLISHER, of livekit.agents"
            )
        else:
            text = f"{context.imports.use('WorkerType')}.{wanted}"
            edit: Edit = lambda node: node.with_changes(value=expression(text))  # noqa: E731
            yield Finding(OPTIONS, kind, f"worker_type={text}", ((kind, edit),))


def named(arg: cst.Arg, name: str) -> cst.Arg:
    if arg.keyword:
        return arg
    new = keyword(name, arg.value)
    return new.with_changes(comma=arg.comma, whitespace_after_arg=arg.whitespace_after_arg)


def _by_keyword(call: cst.Call) -> cst.Call:
    args = [a if a.keyword else named(a, V0_ORDER[i]) for i, a in enumerate(call.args)]
    return call.with_changes(args=args)


def without(name: str) -> Edit:
    def edit(call: cst.Call) -> cst.Call:
        return rebuild(call, [a for a in call.args if a.keyword is None or a.keyword.value != name])

    return edit
