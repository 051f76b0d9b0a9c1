"""rtc: rooms, participants, what they publish and what they are told."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import awaited, bind, keyword, rebuild, rename
from releve.upgrade.syntax.types import PARTICIPANTS

BY_SID = Rule(
    "room-participants",
    "rtc",
    "room.participants",
    "room.remote_participants",
    True,
    "v0 kept participants by SID, v1 by identity: rewritten where the key does not matter or is a "
    "participant's own sid, flagged where it does",
)
BY_IDENTITY = Rule(
    "room-participants-by-identity",
    "rtc",
    "room.participants_by_identity",
    "room.remote_participants",
    True,
    "the same mapping under its new name",
)
TRACKS = Rule(
    "participant-tracks",
    "rtc",
    "participant.tracks",
    "participant.track_publications",
    True,
    "the same mapping, by SID in both; it always held publications",
)
MAYBE = Rule(
    "maybe-rtc",
    "rtc",
    ".participants, .participants_by_identity, .tracks of an object whose type the file does not tell",
    ".remote_participants, .track_publications",
    False,
    "annotate the variable (`room: rtc.Room`) and run the tool again, or write `# releve: v1` on the line",
)
SID = Rule(
    "room-sid",
    "rtc",
    "room.sid",
    "await room.sid",
    True,
    "the SID arrives after the connection; flagged where nothing can be awaited",
)
DATA = Rule(
    "publish-data",
    "rtc",
    "publish_data(payload, kind, destination_sids=[…], topic=…)",
    "publish_data(payload, reliable=…, destination_identities=[…], topic=…)",
    True,
    "only the payload is positional; receivers are named by identity, kinds became a flag. Flagged where "
    "kind or receivers are computed",
)
SETTERS = Rule(
    "set-metadata",
    "rtc",
    "local_participant.update_metadata(…), .update_name(…)",
    "local_participant.set_metadata(…), .set_name(…)",
    True,
    "new names",
)
ASYNC = Rule(
    "async-callback",
    "rtc",
    '@room.on("…") async def …',
    "a plain def that calls asyncio.create_task(…) and keeps the task",
    False,
    "v0 called it and dropped the coroutine, so its body never ran; v1 raises ValueError at registration. "
    "Whether it should run now is yours to say",
)
RULES = (BY_SID, BY_IDENTITY, TRACKS, MAYBE, SID, DATA, SETTERS, ASYNC)

MAYBES = {"participants": "remote_participants", "participants_by_identity": "remote_participants"}
MAYBES |= {"tracks": "track_publications"}
SETTER = {"update_metadata": "set_metadata", "update_name": "set_name"}
DATA_ORDER = ("payload", "kind", "destination_sids", "topic")


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for node in code.all(cst.Attribute):
        kind, attr = kinds.of(node.value), node.attr.value
        if kind == "rtc.Room" and attr == "participants":
            yield _by_sid(context, node)
        elif kind == "rtc.Room" and attr == "participants_by_identity":
            yield Finding(
                BY_IDENTITY, node, "remote_participants", ((node, rename("remote_participants")),)
            )
        elif kind == "rtc.Room" and attr == "sid":
            if not isinstance(code.parent(node), cst.Await):
                yield _sid(code, node)
        elif kind in PARTICIPANTS and attr == "tracks":
            yield Finding(
                TRACKS, node, "track_publications", ((node, rename("track_publications")),)
            )
        elif kind == "rtc.LocalParticipant" and attr in SETTER:
            yield Finding(SETTERS, node, SETTER[attr], ((node, rename(SETTER[attr])),))
        elif kind is None and attr in MAYBES and _reads_a_mapping(context, node):
            advice = f"if {code.text(node.value)} is LiveKit's, write .{MAYBES[attr]}; else `# releve: v1`"
            yield Finding(MAYBE, node, advice)
    for call in code.all(cst.Call):
        function = call.func
        sends = isinstance(function, cst.Attribute) and function.attr.value == "publish_data"
        if sends and kinds.of(function.value) == "rtc.LocalParticipant":  # type: ignore[attr-defined]
            yield from _data(context, call)
    for listener in kinds.listeners():
        if listener.callback and listener.callback.asynchronous and listener.emitter == "rtc.Room":
            yield Finding(ASYNC, listener.call, ASYNC.v1)


def _reads_a_mapping(context: Context, node: cst.Attribute) -> bool:
    """Whether an attribute of an unknown object is used as those mappings are, and not one of this
    file's own or of another package."""
    code = context.code
    if context.code.name(node) or (isinstance(node.value, cst.Name) and code.class_of(node.value)):
        return False
    above = code.parent(node)
    if isinstance(above, cst.Attribute) and above.attr.value in ("values", "items", "keys", "get"):
        return True
    return node.attr.value == "participants_by_identity"


def _by_sid(context: Context, node: cst.Attribute) -> Finding:
    code = context.code
    new = rename("remote_participants")
    above = code.parent(node)
    if isinstance(above, cst.Attribute):
        method = above.attr.value
        call = code.parent(above)
        if method == "values":
            return Finding(BY_SID, node, "remote_participants", ((node, new),))
        if method == "items" and _key_unused(code, call):
            return Finding(BY_SID, node, "remote_participants", ((node, new),))
        if (
            method == "get"
            and isinstance(call, cst.Call)
            and call.args
            and (key := _identity(context, call.args[0].value))
        ):
            return Finding(BY_SID, node, "remote_participants, by identity", ((node, new), key))
    elif isinstance(above, cst.Subscript):
        index = above.slice[0].slice
        if isinstance(index, cst.Index) and (key := _identity(context, index.value)):
            return Finding(BY_SID, node, "remote_participants, by identity", ((node, new), key))
    elif _only_counted(code, node):
        return Finding(BY_SID, node, "remote_participants", ((node, new),))
    advice = "write remote_participants; its keys are identities now, v0's were SIDs: look at what is done with the key"
    return Finding(BY_SID, node, advice)


def _identity(context: Context, key: cst.BaseExpression) -> tuple[cst.CSTNode, Edit] | None:
    """The edit that turns a participant's own sid into its identity."""
    known = (
        isinstance(key, cst.Attribute)
        and key.attr.value == "sid"
        and context.kinds.of(key.value) in PARTICIPANTS
    )
    return (key, rename("identity")) if known else None


def _key_unused(code: Code, call: cst.CSTNode | None) -> bool:
    loop = code.parent(call) if call else None
    if (
        not isinstance(loop, cst.For | cst.CompFor)
        or loop.iter is not call
        or not isinstance(loop.target, cst.Tuple)
    ):
        return False
    key = loop.target.elements[0].value
    return isinstance(key, cst.Name) and not code.references(key)


def _only_counted(code: Code, node: cst.CSTNode) -> bool:
    """`len(x)`, `if x`, `not x`, `bool(x)`: no key is seen."""
    above = code.parent(node)
    if isinstance(above, cst.Arg):
        call = code.parent(above)
        return (
            isinstance(call, cst.Call)
            and isinstance(call.func, cst.Name)
            and call.func.value in ("len", "bool")
        )
    if isinstance(above, cst.If | cst.While | cst.IfExp | cst.Assert):
        return above.test is node
    return isinstance(above, cst.UnaryOperation) and isinstance(above.operator, cst.Not)


def _sid(code: Code, node: cst.Attribute) -> Finding:
    if not code.can_await(node):
        return Finding(
            SID, node, "room.sid must be awaited: read it in async code, `sid = await room.sid`"
        )
    if isinstance(code.parent(node), cst.AssignTarget):
        return Finding(SID, node, "room.sid cannot be set")
    bare = isinstance(
        code.parent(node), cst.Assign | cst.Return | cst.Arg | cst.FormattedStringExpression
    )
    edit: Edit = cst.Await if bare else awaited
    return Finding(SID, node, f"await {code.text(node)}", ((node, edit),))


def _data(context: Context, call: cst.Call) -> Iterator[Finding]:
    code, bound = context.code, bind(call.args, DATA_ORDER)
    if bound is None or not (
        {"kind", "destination_sids"} & set(bound)
        or (len(call.args) > 1 and not call.args[1].keyword)
    ):
        return
    edits: list[tuple[cst.CSTNode, Edit]] = []
    new: dict[str, str] = {}
    if kind := bound.get("kind"):
        flag = {"KIND_RELIABLE": "True", "KIND_LOSSY": "False"}.get(
            (code.name(kind.value) or "").split(".")[-1]
        )
        if flag is None:
            yield Finding(DATA, call, "write reliable=True or reliable=False in place of the kind")
            return
        new["kind"] = flag
    if receivers := bound.get("destination_sids"):
        found = _receivers(context, receivers.value)
        if found is None:
            yield Finding(
                DATA, call, "write destination_identities=[…]: identities, not SIDs or participants"
            )
            return
        edits += found
    yield Finding(
        DATA,
        call,
        "reliable=…, destination_identities=[…]",
        (*edits, (call, lambda node: _keywords(node, new))),
    )


def _receivers(
    context: Context, value: cst.BaseExpression
) -> list[tuple[cst.CSTNode, Edit]] | None:
    if not isinstance(value, cst.List):
        return None
    edits: list[tuple[cst.CSTNode, Edit]] = []
    for item in value.elements:
        if key := _identity(context, item.value):
            edits.append(key)
        elif context.kinds.of(item.value) in PARTICIPANTS:
            edits.append((item.value, lambda node: cst.Attribute(node, cst.Name("identity"))))
        else:
            return None
    return edits


def _keywords(call: cst.Call, new: dict[str, str]) -> cst.Call:
    args = []
    for place, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else DATA_ORDER[place]
        if name == "payload":
            args.append(arg)
            continue
        value = cst.Name(new["kind"]) if name == "kind" else arg.value
        fresh = {"kind": "reliable", "destination_sids": "destination_identities"}.get(name, name)
        made = keyword(fresh, value)
        args.append(
            made.with_changes(comma=arg.comma, whitespace_after_arg=arg.whitespace_after_arg)
        )
    return rebuild(call, args)
