"""Classes of the file itself: what their instances are called, and what they derive from."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.library import Library

PLAIN_BASES = {"object", "ABC", "Generic", "Protocol"}


class Own:
    def __init__(self, code: Code, library: Library) -> None:
        self.code = code
        self.library = library
        self._classes: dict[str, cst.ClassDef] = {}
        self._members: dict[cst.ClassDef, set[str]] = {}

    def instance(self, owner: cst.ClassDef) -> str:
        """The type of its instances."""
        kind = f"own:{owner.name.value}:{id(owner)}"
        self._classes[kind] = owner
        return kind

    def get(self, kind: str | None) -> cst.ClassDef | None:
        return self._classes.get(kind or "")

    def lineage(self, kind: str | None) -> list[str]:
        """LiveKit's types that an object has: its own, or those that its class derives from."""
        if kind is None or kind not in self._classes:
            return [kind] if kind else []
        return [part for base in self._bases(self._classes[kind]) for part in self.lineage(base)]

    def derived(self, owner: cst.ClassDef) -> list[str]:
        """LiveKit's classes that a class of this file derives from."""
        return self.lineage(self.instance(owner))

    def whole_class(self, owner: cst.ClassDef) -> bool:
        """Whether all that it derives from is known."""
        for arg in owner.bases:
            base = arg.value.value if isinstance(arg.value, cst.Subscript) else arg.value
            above = self.code.class_of(base) if isinstance(base, cst.Name) else None
            if above is not None and above is not owner:
                if not self.whole_class(above):
                    return False
            elif not (
                self.code.text(base).rpartition(".")[2] in PLAIN_BASES
                or self.library.annotated(self.code.full(base) or "")
            ):
                return False
        return True

    def whole(self, kind: str) -> bool:
        return kind in self._classes and self.whole_class(self._classes[kind])

    def defines(self, kind: str, name: str) -> bool:
        """Whether a class of this file, or one that it derives from here, has such a member."""
        owner = self._classes.get(kind)
        if owner is None:
            return False
        if owner not in self._members:
            self._members[owner] = _members(owner)
        has = self._members[owner]
        return name in has or any(self.defines(base, name) for base in self._bases(owner))

    def _bases(self, owner: cst.ClassDef) -> Iterator[str]:
        for arg in owner.bases:
            base = arg.value.value if isinstance(arg.value, cst.Subscript) else arg.value
            if isinstance(base, cst.Name) and (above := self.code.class_of(base)):
                if above is not owner:
                    yield self.instance(above)
            elif kind := self.library.annotated(self.code.full(base) or ""):
                yield kind


def _members(owner: cst.ClassDef) -> set[str]:
    """Names that a class's body binds, and that its methods set on `self`."""
    found = {
        node.target.value
        for node in m.findall(owner.body, m.AssignTarget(m.Name()) | m.AnnAssign(m.Name()))
        if isinstance(node, cst.AssignTarget | cst.AnnAssign) and isinstance(node.target, cst.Name)
    }
    found |= {
        s.name.value for s in owner.body.body if isinstance(s, cst.FunctionDef | cst.ClassDef)
    }
    for node in m.findall(owner, m.AssignTarget() | m.AnnAssign() | m.AugAssign() | m.Tuple()):
        targets = [e.value for e in node.elements] if isinstance(node, cst.Tuple) else [node.target]  # type: ignore[attr-defined]
        found |= {t.attr.value for t in targets if isinstance(t, cst.Attribute)}
    return found | {
        str(call.args[1].value.evaluated_value)  # type: ignore[attr-defined]
        for call in m.findall(
            owner, m.Call(m.Name("setattr"), [m.Arg(), m.Arg(m.SimpleString()), m.Arg()])
        )
        if isinstance(call, cst.Call)
    }
