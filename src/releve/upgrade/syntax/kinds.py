"""Which variables hold which of LiveKit's objects, as far as the file itself shows.

Known are: annotations, what constructors return, attributes of known objects, what loops over them
give, parameters of event callbacks and entrypoints, and arguments of functions of this file when
every caller agrees. A variable that is also given something unknown is not known.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import libcst as cst

from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.library import V0, Library
from releve.upgrade.syntax.listener import Listener
from releve.upgrade.syntax.own import Own
from releve.upgrade.syntax.types import CONTAINERS, GIVES_ONE, SAME

PASSES = 6  # each carries knowledge one step further; programs do not nest deeper


class Kinds:
    def __init__(self, code: Code, library: Library | None = None) -> None:
        self.code = code
        self.library: Library = library or V0()
        self.own = Own(code, self.library)
        self._said: dict[cst.CSTNode, str | None] = {}
        self._known: dict[Hashable, str | None] = {}
        for _ in range(PASSES):
            found: dict[Hashable, set[str | None]] = {}
            for key, kind in self._bindings():
                if key is not None:
                    found.setdefault(key, set()).add(kind)
            known = {key: next(iter(kinds)) for key, kinds in found.items() if len(kinds) == 1}
            self._said = {}
            if known == self._known:
                break
            self._known = known

    def of(self, node: cst.CSTNode | None) -> str | None:
        """The type of an expression, None when the file does not tell."""
        if node is None:
            return None
        if node not in self._said:
            self._said[node] = None  # for what refers to itself
            self._said[node] = self._of(node)
        return self._said[node]

    def _of(self, node: cst.CSTNode) -> str | None:
        code = self.code
        if isinstance(node, cst.Name | cst.Attribute):
            key = self._key(node)
            if key is not None and key in self._known:
                return self._known[key]
            if isinstance(node, cst.Name) and (owner := code.class_of(node)):
                return None if owner.name.value == node.value else self.own.instance(owner)
            full = code.full(node) or code.origin(node)
            if full and (kind := self.library.value(full)):
                return kind
        if isinstance(node, cst.Attribute):
            return self._attribute(self.of(node.value) or "", node.attr.value)
        if isinstance(node, cst.Await):
            return self.of(node.expression)
        if isinstance(node, cst.NamedExpr):
            return self.of(node.value)
        if isinstance(node, cst.Subscript):
            kind = self.of(node.value) or ""
            return kind.split(":", 1)[1] if kind.startswith(("map:", "iter:")) else None
        if isinstance(node, cst.Call):
            made = node.func.value if isinstance(node.func, cst.Subscript) else node.func
            if kind := self.library.made(code.full(made) or code.origin(made) or ""):
                return kind
            if isinstance(node.func, cst.Name) and (own := self._own_class(node.func)):
                return own
            return self._returned(node)
        return None

    def _attribute(self, kind: str, name: str) -> str | None:
        """Of an object; of an instance of this file's class, what its bases have."""
        for base in self.own.lineage(kind):
            if found := self.library.attribute(base, name):
                return found
        return None

    def result(self, function: cst.FunctionDef) -> str | None:
        """What a function gives back: its annotation, or what all its returns agree on."""
        if function.returns is not None:
            return self.annotated(function.returns.annotation)
        found = {
            self.of(node.value) for node in self.code.returns(function) if node.value is not None
        }
        return found.pop() if len(found) == 1 else None

    def _returned(self, call: cst.Call) -> str | None:
        function, first = call.func, call.args[0].value if call.args else None
        element = self.library.element
        made = self.code.resolve(function)
        if made is not None:
            return self.result(made)
        if isinstance(function, cst.Name) and first is not None:
            if function.value in ("list", "tuple", "sorted", "iter", "reversed", "set"):
                kind = element(self.of(first))
                return f"iter:{kind}" if kind else None
            if function.value == "next":
                return element(self.of(first))
        if first is not None and self.code.called_from(function, "copy") in SAME:
            return self.of(first)
        if not isinstance(function, cst.Attribute):
            return None
        owner, method = self.of(function.value) or "", function.attr.value
        if owner.startswith("iter:") and method in GIVES_ONE:
            return owner.removeprefix("iter:")
        if owner.startswith("map:"):
            kind = owner.removeprefix("map:")
            return {
                "values": f"iter:{kind}",
                "items": f"items:{kind}",
                "get": kind,
                "pop": kind,
            }.get(method)
        for base in self.own.lineage(owner):
            if found := self.library.returned(base, method):
                return found
        return None

    def _key(self, node: cst.Name | cst.Attribute) -> Hashable:
        if isinstance(node, cst.Name):
            return self.code.variable(node)
        if isinstance(node.value, cst.Name) and (owner := self.code.class_of(node.value)):
            return owner, node.attr.value
        own = self.own.get(self.of(node.value))
        return (own, node.attr.value) if own else None

    def _own_class(self, name: cst.Name) -> str | None:
        """The kind of an instance of a class of this file."""
        owner = self.code.class_of(name)
        if owner is None or owner.name.value != name.value:
            return None
        return self.own.instance(owner)

    def _bindings(self) -> Iterator[tuple[Hashable, str | None]]:
        code = self.code
        for function in code.all(cst.FunctionDef):
            top = isinstance(code.parent(function), cst.Module)
            for place, param in enumerate(
                [*function.params.params, *function.params.kwonly_params]
            ):
                if param.annotation:
                    yield self._param(param), self.annotated(param.annotation.annotation)
                elif top and (
                    kind := self.library.given(function.name.value, place, param.name.value)
                ):
                    yield self._param(param), kind
        for assign in code.all(cst.Assign):
            for target in assign.targets:
                yield from self._assigned(target.target, assign.value)
        for annotated in code.all(cst.AnnAssign):
            field, kind = annotated.target, self.annotated(annotated.annotation.annotation)
            owner = code.owner(annotated)
            if owner and isinstance(field, cst.Name):  # read through self
                yield (owner, field.value), kind
            elif isinstance(field, cst.Name | cst.Attribute):
                yield self._key(field), kind
        for loop in code.all(cst.For):
            yield from self._looped(loop.target, self.of(loop.iter))
        for item in code.all(cst.WithItem):
            if item.asname and isinstance(item.asname.name, cst.Name):
                yield self._key(item.asname.name), self.of(item.item)
        for comprehension in code.all(cst.CompFor):
            yield from self._looped(comprehension.target, self.of(comprehension.iter))
        for listener in self.listeners():
            if listener.callback:
                given = (self.library.events(listener.emitter) or {}).get(listener.event, ())
                params = code.params(listener.callback)
                if len(params) == 1 and given[-1:] == ("llm.ChatMessage",):
                    given = given[-1:]  # from 0.8 on
                for param, kind in zip(params, given, strict=False):
                    if not param.annotation:
                        yield self._param(param), kind
        for call in code.all(cst.Call):
            yield from self._passed(call)

    def _param(self, param: cst.Param) -> Hashable:
        scope = self.code.scope(param.name)
        return (scope, param.name.value) if scope else None

    def _assigned(
        self, target: cst.BaseExpression, value: cst.BaseExpression
    ) -> Iterator[tuple[Hashable, str | None]]:
        nothing = isinstance(value, cst.Name) and value.value == "None"
        if isinstance(target, cst.Name | cst.Attribute) and not nothing:
            yield self._key(target), self.of(value)
        elif isinstance(target, cst.Tuple) and isinstance(value, cst.Tuple):
            for one, given in zip(target.elements, value.elements, strict=False):
                yield from self._assigned(one.value, given.value)

    def _looped(
        self, target: cst.BaseAssignTargetExpression, kind: str | None
    ) -> Iterator[tuple[Hashable, str | None]]:
        if isinstance(target, cst.Name):
            yield self._key(target), self.library.element(kind)
        elif isinstance(target, cst.Tuple) and kind and kind.startswith("items:"):
            last = target.elements[-1].value
            if len(target.elements) == 2 and isinstance(last, cst.Name):
                yield self._key(last), kind.removeprefix("items:")

    def _passed(self, call: cst.Call) -> Iterator[tuple[Hashable, str | None]]:
        """Parameters of this file's functions, from the arguments they are called with; and of
        entrypoints and request functions, from where they are handed to."""
        code, name = self.code, self.code.name(call)
        if name == "agents.WorkerOptions" and call.args:
            for arg in call.args[:2]:
                role = arg.keyword.value if arg.keyword else ""
                kind = {
                    "entrypoint_fnc": "agents.JobContext",
                    "request_fnc": "agents.JobRequest",
                }.get(role)
                yield from self._first(arg.value, kind)
        accepts = isinstance(call.func, cst.Attribute) and call.func.attr.value == "accept"
        if accepts and call.args and not call.args[0].keyword:
            requested = self.of(call.func.value) == "agents.JobRequest"  # type: ignore[attr-defined]
            kind = "agents.JobContext" if requested else None
            yield from self._first(call.args[0].value, kind)
        function = code.resolve(call.func)
        if (
            function is None
            and isinstance(call.func, cst.Name)
            and (owner := code.class_of(call.func))
        ):
            function = code.method(owner, "__init__")
        if function is None or any(arg.star for arg in call.args):
            return
        params = code.params(function)
        for place, arg in enumerate(call.args):
            named = arg.keyword and next(
                (p for p in params if p.name.value == arg.keyword.value), None
            )
            param = named or (params[place] if not arg.keyword and place < len(params) else None)
            if param is not None and not param.annotation:
                yield self._param(param), self.of(arg.value)

    def _first(
        self, function: cst.BaseExpression, kind: str | None
    ) -> Iterator[tuple[Hashable, str | None]]:
        found = self.code.resolve(function)
        params = self.code.params(found) if found else []
        if isinstance(function, cst.Lambda):
            params = list(function.params.params)
        if kind and params and not params[0].annotation:
            yield self._param(params[0]), kind

    def annotated(self, annotation: cst.BaseExpression) -> str | None:
        """The type an annotation names; `X | None`, `Optional[X]` and `"X"` are X."""
        if isinstance(annotation, cst.Name | cst.Attribute):
            full = self.code.full(annotation) or self.code.origin(annotation)
            if kind := self.library.annotated(full or ""):
                return kind
            return self._own_class(annotation) if isinstance(annotation, cst.Name) else None
        if isinstance(annotation, cst.BinaryOperation):
            sides = [self.annotated(annotation.left), self.annotated(annotation.right)]
            known = [side for side in sides if side]
            return known[0] if len(known) == 1 else None
        if isinstance(annotation, cst.Subscript) and isinstance(annotation.value, cst.Name):
            inner, shape = annotation.slice[-1].slice, CONTAINERS.get(annotation.value.value)
            kind = self.annotated(inner.value) if isinstance(inner, cst.Index) else None
            return f"{shape}{kind}" if kind and shape is not None else None
        if isinstance(annotation, cst.SimpleString):
            return self._quoted(str(annotation.evaluated_value), annotation)
        return None

    def _quoted(self, text: str, at: cst.CSTNode) -> str | None:
        scope = self.code.scope(at)
        for found in scope.get_qualified_names_for(text) if scope else ():
            if kind := self.library.annotated(found.name):
                return kind
        return None

    def listeners(self) -> Iterator[Listener]:
        """Every `.on` and `.once` of an emitter that is known, with a literal event name."""
        for call in self.code.all(cst.Call):
            function = call.func
            if not isinstance(function, cst.Attribute) or function.attr.value not in ("on", "once"):
                continue
            kinds = self.own.lineage(self.of(function.value))
            emitter = next((kind for kind in kinds if self.library.events(kind) is not None), None)
            event = call.args[0].value if call.args else None
            if emitter is None or not isinstance(event, cst.SimpleString):
                continue
            name, once = str(event.evaluated_value), function.attr.value == "once"
            above = self.code.parent(call)
            if isinstance(above, cst.Decorator):
                decorated = self.code.parent(above)
                if isinstance(decorated, cst.FunctionDef):
                    yield Listener(call, emitter, name, once, decorated, None)
            elif len(call.args) == 2:
                callback = call.args[1].value
                yield Listener(call, emitter, name, once, self.code.resolve(callback), callback)
