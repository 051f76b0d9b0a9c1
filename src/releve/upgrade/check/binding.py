"""What of a module does not fit the target, with its line."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.check import advice, derived
from releve.upgrade.check.fits import misfits, shown
from releve.upgrade.check.library import Types
from releve.upgrade.check.rules import AWAIT, CALL, EVENT, NAME
from releve.upgrade.gone import instead
from releve.upgrade.model import Finding
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.kinds import Kinds
from releve.upgrade.target.signatures import Found, Signature, Target

ASKS = ("hasattr", "getattr")
CHECKED = ("pydantic.main.BaseModel", "google.protobuf.message.Message")  # refuse new attributes


def find(code: Code, target: Target) -> Iterator[Finding]:
    """Everything in a module that the target would refuse, as far as its types are certain."""
    kinds = Kinds(code, Types(target))
    yield from _imports(code, target)
    yield from _names(code, target)
    yield from _attributes(code, target, kinds)
    for call in code.all(cst.Call):
        yield from _call(code, target, kinds, call)
    yield from _listeners(code, target, kinds)
    yield from derived.find(code, target, kinds)


def _imports(code: Code, target: Target) -> Iterator[Finding]:
    statements: list[cst.ImportFrom | cst.Import] = [
        *code.all(cst.ImportFrom),
        *code.all(cst.Import),
    ]
    for statement in statements:
        home = ""
        if isinstance(statement, cst.ImportFrom):
            if statement.relative or statement.module is None:
                continue
            home = f"{code.text(statement.module)}."
        if isinstance(statement.names, cst.ImportStar):
            names: list[tuple[cst.CSTNode, str]] = [(statement, home.rstrip("."))]
        else:
            names = [(a, home + a.evaluated_name) for a in statement.names]
        told = set()
        for node, full in names:
            found = target.find(full) if full.startswith("livekit.") else None
            if found is None or not (found.missing or found.rest):
                continue
            whole = home.startswith(f"{found.home}.{found.missing}.")  # the module itself is gone
            if whole and found.missing in told:
                continue
            told.add(found.missing)
            read = _read(code, node) if instead(full) else 0
            if read:
                text = f"{full} is gone: this import goes with its uses, the first in line {read}"
            else:
                text = _gone(target, full, found)
            yield Finding(NAME, node, text)


def _read(code: Code, alias: cst.CSTNode) -> int:
    """The line in which an imported name is read first, 0 where it is not."""
    if not isinstance(alias, cst.ImportAlias):
        return 0
    local: cst.BaseExpression = alias.asname.name if alias.asname else alias.name
    while isinstance(local, cst.Attribute):
        local = local.value
    places = code.references(local) if isinstance(local, cst.Name) else []
    return min((code.line(node) for node in places), default=0)


def _gone(target: Target, full: str, found: Found) -> str:
    if not found.missing:
        return f"{full}: {found.rest[0]} cannot be imported"
    place = f"{found.home}.{found.missing}"
    if found.home == "livekit.plugins":
        return (
            f"{place} is no plugin of livekit-agents {target.version}: "
            f"{advice.of_name(target, place, found.home, found.missing)}"
        )
    return _lacks(
        target, found.home, advice.of_name(target, full, found.home, found.missing), found.missing
    )


def _lacks(target: Target, home: str, instead: str, name: str) -> str:
    return f"{advice.label(home)} of {target.version} has no {name}: {instead}"


def _names(code: Code, target: Target) -> Iterator[Finding]:
    """Attributes of modules and classes that are reached by imports."""
    imported = {
        f"{code.text(n.module)}.{a.evaluated_name}"
        for n in code.all(cst.ImportFrom)
        if n.module and not n.relative and not isinstance(n.names, cst.ImportStar)
        for a in n.names
    }
    imported |= {a.evaluated_name for n in code.all(cst.Import) for a in n.names}
    for node in code.all(cst.Attribute):
        full = code.full(node)
        if full is None or code.within(node, cst.Import) or code.within(node, cst.ImportFrom):
            continue
        found, above = target.find(full), code.full(node.value)
        if found is None or isinstance(code.parent(node), cst.AssignTarget):
            continue
        before = target.find(above) if above else None
        if before is None or before.missing:
            continue  # said of what stands before it
        if found.missing:
            yield Finding(NAME, node, _gone(target, full, found))
        elif found.rest and not found.member:
            kind = found.reference.removeprefix("v:")
            if (
                len(found.rest) == 1
                and found.reference != "v:"
                and not target.has(kind, found.rest[0])
            ):
                told = advice.of_member(target, kind, found.rest[0])
                yield Finding(NAME, node, _lacks(target, kind, told, found.rest[0]))
        elif found.reference.startswith("m:") and found.reference[2:] == full:
            home, _, name = full.rpartition(".")
            if not target.imported_by_itself(home, name) and not any(
                one == full or one.startswith(f"{full}.") for one in imported
            ):
                yield Finding(NAME, node, f"import {full}: {home} does not do so by itself")


def _attributes(code: Code, target: Target, kinds: Kinds) -> Iterator[Finding]:
    """Attributes of objects whose type is known, and hasattr() and getattr() of them."""
    given = _given(code, target, kinds)
    for node in code.all(cst.Attribute):
        if code.full(node) is None:
            above = code.parent(node)
            kind = _lacking(target, kinds, node.value, node.attr.value, given)
            set_here = isinstance(above, cst.AssignTarget | cst.AugAssign | cst.AnnAssign)
            if kind and (not set_here or any(target.derives(kind, base) for base in CHECKED)):
                told = advice.of_member(target, kind, node.attr.value)
                yield Finding(NAME, node, _lacks(target, kind, told, node.attr.value))
    for call in code.all(cst.Call):
        asks = isinstance(call.func, cst.Name) and call.func.value in ASKS and len(call.args) >= 2
        name = call.args[1].value if asks else None
        if not isinstance(name, cst.SimpleString):
            continue
        wanted = str(name.evaluated_value)
        kind = _lacking(target, kinds, call.args[0].value, wanted, given)
        full = code.full(call.args[0].value)
        found = target.find(f"{full}.{wanted}") if full else None
        if kind:
            told = _lacks(target, kind, advice.of_member(target, kind, wanted), wanted)
        elif found and found.missing == wanted:
            told = _gone(target, f"{full}.{wanted}", found)
        else:
            continue
        yield Finding(NAME, call, told)


def _given(code: Code, target: Target, kinds: Kinds) -> set[tuple[str, str]]:
    """Attributes that the program itself sets on the target's objects."""
    found = set()
    for node in code.all(cst.Attribute):
        if isinstance(code.parent(node), cst.AssignTarget | cst.AnnAssign):
            for kind in kinds.own.lineage(kinds.of(node.value)):
                if not any(target.derives(kind, base) for base in CHECKED):
                    found.add((kind, node.attr.value))
    return found


def _lacking(
    target: Target, kinds: Kinds, value: cst.CSTNode, name: str, given: set[tuple[str, str]]
) -> str:
    """The type that has no such attribute; empty where it has, or where that cannot be told."""
    kind = kinds.of(value)
    if kind is None or name.startswith("__"):
        return ""
    types = kinds.own.lineage(kind)
    ours = types != [kind]  # a class of this file
    if ours and (not kinds.own.whole(kind) or kinds.own.defines(kind, name)):
        return ""
    if not types or any(target.has(one, name) or (one, name) in given for one in types):
        return ""
    return types[0]


def _call(code: Code, target: Target, kinds: Kinds, call: cst.Call) -> Iterator[Finding]:
    full = code.full(call.func)
    module = target.find(full) if full else None
    if module is not None and module.reference.startswith("m:") and not module.rest:
        text = f"{full} of {target.version} is a module: "
        yield Finding(CALL, call, text + advice.nearest("", target.names(module.reference[2:])))
    found = signature_of(code, target, kinds, call)
    if found is None:
        return
    name, told = found
    wrong = list(misfits(call.args, told))
    whole = [text for arg, text in wrong if arg is None]
    for arg, text in [one for one in wrong if one[0] is not None] or (
        [(None, "")] if whole else []
    ):
        yield Finding(CALL, arg or call, _unfit(target, name, told, arg, [text, *whole]))
        whole = []
    if told.coroutine and code.is_statement(call):
        yield Finding(AWAIT, call, f"await {code.text(call.func)}(…)")


def _unfit(
    target: Target, name: str, told: Signature, arg: cst.Arg | None, wrong: list[str]
) -> str:
    word = arg.keyword.value if arg is not None and arg.keyword else ""
    said = " and ".join(
        filter(
            None,
            [wrong[0] and f"does not take {wrong[0]}", *(f"is given {text}" for text in wrong[1:])],
        )
    )
    instead = advice.INSTEAD.get((name, f"{word}=")) or advice.close(word, told.names)
    return f"{name} of {target.version} {said}: {instead or f'{name}({shown(told)})'}"


def signature_of(
    code: Code, target: Target, kinds: Kinds, call: cst.Call
) -> tuple[str, Signature] | None:
    """The name and the signature of what is called, where it is the target's."""
    function = call.func.value if isinstance(call.func, cst.Subscript) else call.func
    full = code.full(function)
    found = target.find(full) if full else None
    if found is not None and not found.missing and not found.rest:
        kind, _, name = found.reference.partition(":")
        if found.member:
            told = target.method(found.home, full.rpartition(".")[2]) if full else None
            # Of the class itself: `Base.__init__(self, …)` and whatever is given its self by hand.
            if told is None or full is None or full.endswith("__") or not _by_class(found):
                return None
            return f"{advice.label(found.home)}.{full.rpartition('.')[2]}", told
        made = target.made(name) if kind == "c" else target.function(name) if kind == "f" else None
        return (advice.label(name), made) if made else None
    if isinstance(function, cst.Name):
        owner = code.class_of(function)
        if owner is None or owner.name.value != function.value or code.method(owner, "__init__"):
            return None
        types = kinds.own.derived(owner)
        made = target.made(types[0]) if types and kinds.own.whole_class(owner) else None
        return (owner.name.value, made) if made else None
    if not isinstance(function, cst.Attribute):
        return None
    method = function.attr.value
    if _is_super(function.value):
        owner = code.within(call, cst.ClassDef)
        types = (
            kinds.own.derived(owner) if owner is not None and kinds.own.whole_class(owner) else []
        )
        if method == "__init__":
            made = target.made(types[0]) if types else None
            return (f"{advice.label(types[0])}.__init__", made) if made else None
    else:
        kind_of = kinds.of(function.value)
        types = kinds.own.lineage(kind_of)
        if (
            kind_of
            and types != [kind_of]
            and (kinds.own.defines(kind_of, method) or not kinds.own.whole(kind_of))
        ):
            return None
    for one in types:
        if (told := target.method(one, method)) is not None:
            return f"{advice.label(one)}.{method}", told
    return None


def _by_class(found: Found) -> bool:
    """A class's own method that is called on the class: only what it binds itself is certain."""
    _, _, returns = found.member.partition(" -> ")
    return returns == found.home


def _is_super(node: cst.BaseExpression) -> bool:
    return (
        isinstance(node, cst.Call)
        and isinstance(node.func, cst.Name)
        and node.func.value == "super"
    )


def _listeners(code: Code, target: Target, kinds: Kinds) -> Iterator[Finding]:
    for listener in kinds.listeners():
        emitted = target.events(listener.emitter)
        if emitted and listener.event not in emitted:
            told = f"{advice.label(listener.emitter)} of {target.version} does not emit {listener.event}: "
            yield Finding(EVENT, listener.call, told + advice.nearest(listener.event, emitted))
        elif listener.callback is not None and listener.callback.asynchronous:
            told = f"{listener.callback.name.value} is async: register a plain def that calls asyncio.create_task(…)"
            yield Finding(EVENT, listener.call, told)
