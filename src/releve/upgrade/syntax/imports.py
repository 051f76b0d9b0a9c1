"""Imports that rewritten code needs, and those it needs no more."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import GlobalScope, ImportAssignment

from releve.upgrade.gone import instead
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import WIDTH, has_comment


class Imports:
    """Names that the rewritten module must have imported."""

    def __init__(self, code: Code) -> None:
        self._code = code
        self.wanted: list[tuple[str, str]] = []  # module, name

    def use(self, name: str, home: str = "livekit.agents") -> str:
        """How to write `name` in this module; it is imported when the edits are applied.

        When the module has something else of that name, it is written `agents.name`.
        """
        if self._free(name, home):
            self._want(home, name)
            return name
        parent, _, module = home.rpartition(".")
        self._want(parent, module)
        return f"{module}.{name}"

    def _want(self, home: str, name: str) -> None:
        if (home, name) not in self.wanted:
            self.wanted.append((home, name))

    def _free(self, name: str, home: str) -> bool:
        scope = self._code.scope(self._code.module)
        if not isinstance(scope, GlobalScope):
            return False
        found = list(scope[name])
        imported = {n.name for n in scope.get_qualified_names_for(name)}
        if not found or not any(a.scope is scope for a in found):
            # A local variable of that name, anywhere, would hide it there.
            return not any(n.value == name for n in self._code.all(cst.Name)) or name in _ATTRIBUTES
        return imported == {f"{home}.{name}"}

    def add(self, module: cst.Module) -> cst.Module:
        for home, name in self.wanted:
            module = _add(module, home, name)
        return module


# Names that programs use as attributes or keywords without binding them.
_ATTRIBUTES = {"llm"}


def _dotted(node: cst.BaseExpression | None) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def _from(statement: cst.CSTNode) -> cst.ImportFrom | None:
    if isinstance(statement, cst.SimpleStatementLine) and len(statement.body) == 1:
        only = statement.body[0]
        if isinstance(only, cst.ImportFrom) and not only.relative:
            return only
    return None


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, functions: the order import sorters agree on."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def _add(module: cst.Module, home: str, name: str) -> cst.Module:
    last = -1
    for place, statement in enumerate(module.body):
        found = _from(statement)
        if found is None or isinstance(found.names, cst.ImportStar):
            if isinstance(statement, cst.SimpleStatementLine) and isinstance(
                statement.body[0], cst.Import | cst.ImportFrom
            ):
                last = place
            continue
        last = place
        if _dotted(found.module) == home:
            names = [alias.evaluated_name for alias in found.names if not alias.asname]
            if name in names:
                return module
            body = [*module.body]
            body[place] = statement.with_changes(body=[_inserted(found, name)])
            return module.with_changes(body=body)
    new = cst.parse_statement(f"from {home} import {name}\n")
    if last < 0 and module.get_docstring() is not None:
        last = 0
        new = new.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
    return module.with_changes(body=[*module.body[: last + 1], new, *module.body[last + 1 :]])


def _inserted(statement: cst.ImportFrom, name: str) -> cst.ImportFrom:
    assert not isinstance(statement.names, cst.ImportStar)
    names = list(statement.names)
    at = next(
        (i for i, a in enumerate(names) if _order(a.evaluated_name) > _order(name)), len(names)
    )
    spaced = next((a.comma for a in names[:-1] if isinstance(a.comma, cst.Comma)), None)
    lines = statement.lpar.whitespace_after if statement.lpar else cst.SimpleWhitespace(" ")
    comma = spaced or cst.Comma(
        whitespace_after=lines if statement.lpar else cst.SimpleWhitespace(" ")
    )
    new = cst.ImportAlias(cst.Name(name))
    if at == len(names):
        tail = names[-1].comma
        names[-1] = names[-1].with_changes(comma=comma)
        longer = statement.with_changes(names=[*names, new.with_changes(comma=tail)])
    else:
        longer = statement.with_changes(
            names=[*names[:at], new.with_changes(comma=comma), *names[at:]]
        )
    text = cst.Module([]).code_for_node(longer)
    if "\n" in text or len(text) <= WIDTH:
        return longer
    assert not isinstance(longer.names, cst.ImportStar)
    one_a_line = "".join(
        f"    {cst.Module([]).code_for_node(n.with_changes(comma=cst.MaybeSentinel.DEFAULT))},\n"
        for n in longer.names
    )
    broken = cst.parse_statement(f"from {_dotted(statement.module)} import (\n{one_a_line})")
    assert isinstance(broken, cst.SimpleStatementLine) and isinstance(
        broken.body[0], cst.ImportFrom
    )
    return broken.body[0]


def uses(code: Code) -> dict[tuple[str, str], int]:
    """How often the module reads each name that it imports: by (full name, local)."""
    found: dict[tuple[str, str], int] = {}
    for scope in code.all_scopes():
        for assignment in scope.assignments:
            if isinstance(assignment, ImportAssignment):
                for full in assignment.get_qualified_names_for(assignment.name):
                    key = full.name, assignment.name
                    found[key] = found.get(key, 0) + len(assignment.references)
    return found


def drop(code: Code, before: dict[tuple[str, str], int]) -> cst.Module:
    """The module without the imports whose last use was rewritten away, nor those of names that are
    gone in v1 and that nothing here reads."""
    after = uses(code)
    exported = _exported(code.module)
    unused = {
        key
        for key, count in after.items()
        if not count and key[1] not in exported and (before.get(key) or instead(key[0]))
    }
    if not unused:
        return code.module
    body: list[cst.BaseStatement] = []
    owed: list[cst.EmptyLine] = []  # comments above a removed import go to what follows
    for statement in code.module.body:
        kept = _without(statement, unused)
        if kept is None:
            owed += [line for line in statement.leading_lines if line.comment]
            continue
        if owed:
            kept = kept.with_changes(leading_lines=[*owed, *kept.leading_lines])  # type: ignore[attr-defined]
            owed = []
        body.append(kept)  # type: ignore[arg-type]
    nested = {key for key in unused if instead(key[0]) or before.get(key)}
    return code.module.with_changes(body=body).visit(_Nested(nested))


class _Nested(cst.CSTTransformer):
    """Take unused imports out of blocks, and what holds nothing after that."""

    def __init__(self, unused: set[tuple[str, str]]) -> None:
        super().__init__()
        self._unused = unused
        self._emptied: list[cst.CSTNode] = []

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        kept = _without(updated_node, self._unused)
        if kept is None:
            return cst.RemoveFromParent()
        assert isinstance(kept, cst.SimpleStatementLine)
        return kept

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        if updated_node.body:
            first, same = updated_node.body[0], original_node.body[0]
            lines = getattr(first, "leading_lines", ())
            if len(updated_node.body) == len(original_node.body) or first is same or not lines:
                return updated_node
            kept = [line for line in lines if line.comment]
            return updated_node.with_changes(
                body=[first.with_changes(leading_lines=kept), *updated_node.body[1:]]
            )
        if not original_node.body:
            return updated_node
        made = updated_node.with_changes(body=[cst.parse_statement("pass\n")])
        self._emptied.append(made)
        return made

    def leave_Try(
        self, original_node: cst.Try, updated_node: cst.Try
    ) -> cst.Try | cst.RemovalSentinel:
        """Nothing is tried any more: it goes where nothing is handled either."""
        blocks = [updated_node.body, *(handler.body for handler in updated_node.handlers)]
        bare = updated_node.orelse is None and updated_node.finalbody is None
        gone = [any(block is one for one in self._emptied) for block in blocks]
        if not any(gone):
            return updated_node
        # What else is handled would be handled no more: it stays as it is, and is flagged.
        return cst.RemoveFromParent() if bare and all(gone) else original_node


def _exported(module: cst.Module) -> set[str]:
    """Names in `__all__`: read by others."""
    text = next(
        (module.code_for_node(s) for s in module.body if "__all__" in module.code_for_node(s)), ""
    )
    return {part for part in text.replace('"', "'").split("'") if part.isidentifier()}


def _without(statement: cst.CSTNode, unused: set[tuple[str, str]]) -> cst.CSTNode | None:
    if not isinstance(statement, cst.SimpleStatementLine) or len(statement.body) != 1:
        return statement
    only = statement.body[0]
    if (
        isinstance(only, cst.ImportFrom)
        and not isinstance(only.names, cst.ImportStar)
        and not only.relative
    ):
        home = f"{_dotted(only.module)}."
    elif isinstance(only, cst.Import):
        home = ""
    else:
        return statement
    assert not isinstance(only.names, cst.ImportStar)
    kept = []
    for alias in only.names:
        local = alias.evaluated_alias or alias.evaluated_name.split(".")[0]
        if (home + alias.evaluated_name, local) not in unused:
            kept.append(alias)
    if len(kept) == len(only.names):
        return statement
    if not kept:
        return None if not has_comment(cst.Module([]).code_for_node(only)) else statement
    if kept[-1] is not only.names[-1]:
        kept[-1] = kept[-1].with_changes(comma=only.names[-1].comma)
    return statement.with_changes(body=[only.with_changes(names=kept)])
