"""One parsed module and what can be asked about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import TypeVar

import libcst as cst
from libcst.metadata import (
    Assignment,
    MetadataWrapper,
    PositionProvider,
    QualifiedNameSource,
    Scope,
    ScopeProvider,
)

from releve.upgrade.model import CannotParse
from releve.upgrade.syntax.names import canonical

Node = TypeVar("Node", bound=cst.CSTNode)
Function = cst.FunctionDef


class Code:
    """A module with scopes, parents and positions."""

    def __init__(self, source: bytes) -> None:
        try:
            module = cst.parse_module(source)
        except cst.ParserSyntaxError as error:
            line, said = _place(source, error)
            raise CannotParse(
                f"not Python that can be parsed (line {line}: {said})", line
            ) from error
        except (UnicodeDecodeError, LookupError) as error:
            raise CannotParse(f"its text cannot be decoded ({error})") from error
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self.module = wrapper.module
        self._scopes = wrapper.resolve(ScopeProvider)
        self._positions = wrapper.resolve(PositionProvider)
        self._parents = _parents(self.module)
        self._full: dict[cst.CSTNode, str | None] = {}
        self._by_type: dict[type[cst.CSTNode], list[cst.CSTNode]] = {}
        for node in self._positions:
            self._by_type.setdefault(type(node), []).append(node)
        for nodes in self._by_type.values():
            nodes.sort(key=self._start)

    def _start(self, node: cst.CSTNode) -> tuple[int, int]:
        position = self._positions[node].start
        return position.line, position.column

    def all(self, kind: type[Node]) -> list[Node]:
        """Every node of one type, in the order of the text."""
        return self._by_type.get(kind, [])  # type: ignore[return-value]

    def line(self, node: cst.CSTNode) -> int:
        return self._start(node)[0]

    def text(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        while (above := self._parents.get(node)) is not None:
            yield above
            node = above

    def within(self, node: cst.CSTNode, kind: type[Node]) -> Node | None:
        """The nearest enclosing node of that type."""
        return next((n for n in self.ancestors(node) if isinstance(n, kind)), None)

    def inside(self, node: cst.CSTNode, outer: cst.CSTNode) -> bool:
        return any(above is outer for above in self.ancestors(node))

    def can_await(self, node: cst.CSTNode) -> bool:
        """Whether `await` may be written there without changing what the code around it is."""
        for above in self.ancestors(node):
            if isinstance(above, cst.Lambda | cst.ClassDef | cst.GeneratorExp):
                return False
            if isinstance(above, cst.Decorator | cst.Param):
                return False
            if isinstance(above, cst.FunctionDef):
                return above.asynchronous is not None
        return False

    def all_scopes(self) -> list[Scope]:
        return list({id(s): s for s in self._scopes.values() if s is not None}.values())

    def scope(self, node: cst.CSTNode) -> Scope | None:
        return self._scopes.get(node)

    def name(self, node: cst.CSTNode) -> str | None:
        """The canonical LiveKit name that a Name, Attribute or Call stands for."""
        return canonical(self.full(node) or "")

    def full(self, node: cst.CSTNode) -> str | None:
        """The name as it was imported, `livekit.…`, that a Name, Attribute or Call stands for."""
        if node not in self._full:
            self._full[node] = self._imported(node)
        return self._full[node]

    def _imported(self, node: cst.CSTNode) -> str | None:
        scope = self._scopes.get(node)
        if scope is None or not isinstance(node, cst.Name | cst.Attribute | cst.Call):
            return None
        for found in scope.get_qualified_names_for(node):
            if found.source is QualifiedNameSource.IMPORT and found.name.startswith("livekit."):
                return found.name
        return None

    def origin(self, node: cst.CSTNode) -> str | None:
        """The name as it was imported from a module that is not LiveKit's, `helpers.session`."""
        scope = self._scopes.get(node)
        if scope is None or not isinstance(node, cst.Name | cst.Attribute | cst.Call):
            return None
        for found in scope.get_qualified_names_for(node):
            if found.source is QualifiedNameSource.IMPORT and not found.name.startswith("livekit."):
                return found.name
        return None

    def called_from(self, function: cst.CSTNode, module: str) -> str | None:
        """The name of a function that was imported from that module, None for any other."""
        scope = self._scopes.get(function)
        for found in scope.get_qualified_names_for(function) if scope else ():
            home, _, name = found.name.rpartition(".")
            if found.source is QualifiedNameSource.IMPORT and home == module:
                return name
        return None

    def calls(self, *names: str) -> list[cst.Call]:
        """Calls of LiveKit's functions and classes, by canonical name."""
        return [call for call in self.all(cst.Call) if self.name(call) in names]

    def variable(self, node: cst.Name) -> tuple[Scope, str] | None:
        """The variable a name stands for: the scope that binds it, and the name."""
        scope = self._scopes.get(node)
        if scope is None:
            return None
        for assignment in scope[node.value]:
            return assignment.scope, node.value
        return None

    def references(self, node: cst.Name) -> list[cst.CSTNode]:
        """Every read of the variable, anywhere."""
        # The names of an import have no scope of their own.
        scopes = (self._scopes.get(above) for above in (node, *self.ancestors(node)))
        scope = next((found for found in scopes if found is not None), None)
        found: list[cst.CSTNode] = []
        for assignment in scope[node.value] if scope else ():
            found += [access.node for access in assignment.references]
        return found

    def resolve(self, expression: cst.BaseExpression) -> Function | None:
        """The function of this file that a name, `Class.method` or `self.method` stands for."""
        if isinstance(expression, cst.Name):
            scope = self._scopes.get(expression)
            for assignment in scope[expression.value] if scope else ():
                if isinstance(assignment, Assignment) and isinstance(assignment.node, Function):
                    return assignment.node
            return None
        if isinstance(expression, cst.Attribute) and isinstance(expression.value, cst.Name):
            owner = self.class_of(expression.value)
            return self.method(owner, expression.attr.value) if owner else None
        return None

    def class_of(self, node: cst.Name) -> cst.ClassDef | None:
        """The class of this file that a name is, or whose instance (`self`, `cls`) it is."""
        function = self.within(node, Function)
        while function is not None:
            owner = self.owner(function)
            bound = function.params.params[:1] if owner and not _static(function) else ()
            if owner and any(param.name.value == node.value for param in bound):
                return owner
            function = self.within(function, Function)
        scope = self._scopes.get(node)
        for assignment in scope[node.value] if scope else ():
            if isinstance(assignment, Assignment) and isinstance(assignment.node, cst.ClassDef):
                return assignment.node
        return None

    def owner(self, function: cst.CSTNode) -> cst.ClassDef | None:
        """The class a method or a field belongs to."""
        above = next(
            (n for n in self.ancestors(function) if isinstance(n, cst.ClassDef | Function)), None
        )
        return above if isinstance(above, cst.ClassDef) else None

    def returns(self, function: Function) -> list[cst.Return]:
        return [n for n in self.all(cst.Return) if self.within(n, Function) is function]

    def method(self, owner: cst.ClassDef, name: str) -> Function | None:
        for statement in owner.body.body:
            if isinstance(statement, Function) and statement.name.value == name:
                return statement
        return None

    def params(self, function: Function) -> list[cst.Param]:
        """Positional parameters as a caller gives them: without `self` or `cls`."""
        found = [*function.params.posonly_params, *function.params.params]
        return found[1:] if self.owner(function) and not _static(function) else found

    def statement(self, node: cst.CSTNode) -> cst.SimpleStatementLine | None:
        return self.within(node, cst.SimpleStatementLine)

    def indent(self, node: cst.CSTNode) -> str:
        """The white space before the statement that the node is in."""
        blocks = [n for n in self.ancestors(node) if isinstance(n, cst.IndentedBlock)]
        return "".join(block.indent or self.module.default_indent for block in blocks)

    def depth(self, node: cst.CSTNode) -> int:
        """How far in the line begins in which the node does."""
        line = self.module.code.splitlines()[self.line(node) - 1]
        return len(line) - len(line.lstrip())

    def is_statement(self, node: cst.CSTNode) -> bool:
        """Whether the expression is a whole line of its own."""
        above = self.parent(node)
        line = self.parent(above) if isinstance(above, cst.Expr) else None
        return isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1


@cache
def _fields(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _parents(module: cst.Module) -> dict[cst.CSTNode, cst.CSTNode]:
    """What each node stands in: as LibCST's own provider tells, in a third of its time."""
    found: dict[cst.CSTNode, cst.CSTNode] = {}
    waiting: list[cst.CSTNode] = [module]
    while waiting:
        above = waiting.pop()
        for name in _fields(type(above)):
            value = getattr(above, name)
            for node in value if isinstance(value, list | tuple) else (value,):
                if isinstance(node, cst.CSTNode):
                    found[node] = above
                    waiting.append(node)
    return found


def _place(source: bytes, error: cst.ParserSyntaxError) -> tuple[int, str]:
    """Where Python itself stops reading: LibCST says line 1 of whatever its lexer refuses."""
    try:
        ast.parse(source)
    except SyntaxError as own:
        return own.lineno or 1, own.msg
    except ValueError as own:
        return 1, str(own)
    return error.raw_line, "not read by this version of LibCST"


def _static(function: Function) -> bool:
    return any(
        isinstance(d.decorator, cst.Name) and d.decorator.value == "staticmethod"
        for d in function.decorators
    )
