"""Classes of a program's own that derive from the target's: what they override and leave out."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.check import advice
from releve.upgrade.check.fits import accepts, shown
from releve.upgrade.check.rules import METHOD
from releve.upgrade.model import Finding
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.kinds import Kinds
from releve.upgrade.target.signatures import Target

ABSTRACT = ("ABC", "Protocol", "abstractmethod")


def find(code: Code, target: Target, kinds: Kinds) -> Iterator[Finding]:
    for owner in code.all(cst.ClassDef):
        types = kinds.own.derived(owner)
        if not types:
            continue
        for method in owner.body.body:
            if isinstance(method, cst.FunctionDef) and not method.name.value.startswith("__"):
                yield from _method(code, target, types, method)
        if kinds.own.whole_class(owner) and not any(word in code.text(owner) for word in ABSTRACT):
            left = [
                name
                for name in target.abstract(types[0])
                if not kinds.own.defines(kinds.own.instance(owner), name)
            ]
            if left:
                asked = "; ".join(f"{name}({_call(target, types[0], name)})" for name in left)
                yield Finding(
                    METHOD, owner, f"{advice.label(types[0])} of {target.version} asks for {asked}"
                )


def _call(target: Target, owner: str, method: str) -> str:
    told = target.method(owner, method)
    return ", ".join(filter(None, ("self", shown(told) if told else "")))


def _method(
    code: Code, target: Target, types: list[str], method: cst.FunctionDef
) -> Iterator[Finding]:
    name = method.name.value
    if any(_static(d.decorator) for d in method.decorators):
        return
    for owner in types:
        told = target.method(owner, name)
        if told is None:
            continue
        if wrong := accepts(method.params, told):
            text = f"{advice.label(owner)} of {target.version} calls {name}({_call(target, owner, name)})"
            yield Finding(METHOD, method, f"{text}: yours does not take {wrong}")
        return


def _static(decorator: cst.BaseExpression) -> bool:
    return isinstance(decorator, cst.Name) and decorator.value in (
        "staticmethod",
        "classmethod",
        "property",
    )
