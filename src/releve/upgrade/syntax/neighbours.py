"""What a project's own modules give each other, as far as their imports are plain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePath

import libcst as cst

from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.kinds import Kinds


@dataclass
class Neighbours:
    """By full name, `app.helpers.session`; by `helpers.session` where only one is called so."""

    values: dict[str, str | None] = field(default_factory=dict)
    made: dict[str, str | None] = field(default_factory=dict)  # by a function or a class
    given: dict[str, set[str | None]] = field(default_factory=dict)  # `helpers.greet:agent`

    def add(self, path: PurePath, code: Code, kinds: Kinds) -> None:
        """Learn what a module holds, and what it gives to functions of others."""
        for name, kind in _values(code, kinds):
            self._tell(self.values, path, name, kind)
        for name, kind in _made(code, kinds):
            self._tell(self.made, path, name, kind)
        for call in code.all(cst.Call):
            origin = code.origin(call.func)
            if origin is None or any(arg.star for arg in call.args):
                continue
            for place, arg in enumerate(call.args):
                key = arg.keyword.value if arg.keyword else str(place)
                told = self.given.setdefault(f"{origin.lstrip('.')}:{key}", set())
                told.add(kinds.of(arg.value))

    def _tell(self, table: dict[str, str | None], path: PurePath, name: str, kind: str) -> None:
        for module in modules(path):
            full = f"{module}.{name}"
            table[full] = kind if table.get(full, kind) == kind else None

    def parameter(self, path: PurePath, function: str, place: int, name: str) -> str | None:
        """What all modules give to a parameter of that file's function; None unless they agree."""
        found: set[str | None] = set()
        for module in modules(path):
            for key in (str(place), name):
                found |= self.given.get(f"{module}.{function}:{key}", set())
        return found.pop() if len(found) == 1 else None


def modules(path: PurePath) -> list[str]:
    """The names by which a file below the project's root may be imported."""
    parts = list(path.with_suffix("").parts)
    if parts and parts[-1] == "__init__":
        parts.pop()
    return [".".join(parts[start:]) for start in range(len(parts))]


def _values(code: Code, kinds: Kinds) -> Iterator[tuple[str, str]]:
    for assign in code.all(cst.Assign):
        for target in assign.targets:
            name = target.target
            inside = code.within(assign, cst.FunctionDef) or code.within(assign, cst.ClassDef)
            if isinstance(name, cst.Name) and not inside and (kind := kinds.of(name)):
                yield name.value, kind


def _made(code: Code, kinds: Kinds) -> Iterator[tuple[str, str]]:
    for function in code.all(cst.FunctionDef):
        if isinstance(code.parent(function), cst.Module) and (kind := kinds.result(function)):
            yield function.name.value, kind
    for owner in code.all(cst.ClassDef):
        if isinstance(code.parent(owner), cst.Module) and (types := kinds.own.derived(owner)):
            yield owner.name.value, types[0]
