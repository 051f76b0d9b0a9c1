"""Run by a target's own Python, with nothing else there: what its SDK and plugins take and have.

    python record.py > 1.1.3.json

How the Python is made, and what the file holds, is told in the package's docstring.
"""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.metadata
import inspect
import json
import os
import pkgutil
import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Any

from hints import PLAIN, Hints, name_of, ours  # type: ignore[import-not-found]  # beside it
from needs import installed  # type: ignore[import-not-found]

SKIPPED = ("__main__", ".resources.", ".debug.", "_pb2", ".web.")
SPECIAL = {"__init__", "__call__", "__getitem__", "__aenter__", "__enter__"}
SPECIAL |= {"__anext__", "__next__", "__aiter__", "__iter__"}

Json = dict[str, Any]


def modules() -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Every module of every distribution called livekit…, and what it holds once it is imported;
    None for one that cannot be."""
    import livekit
    import livekit.plugins  # a namespace of its own, into which walk_packages does not go

    for path, home in (
        (livekit.__path__, "livekit."),
        (livekit.plugins.__path__, "livekit.plugins."),
    ):
        for found in pkgutil.walk_packages(path, home, onerror=lambda _: None):
            if any(part in f"{found.name}." for part in SKIPPED):
                continue
            try:
                yield found.name, dict(vars(importlib.import_module(found.name)))
            except Exception as error:  # an extra that is not installed, or a program
                print(f"{found.name}: {type(error).__name__}: {error}", file=sys.stderr)
                yield found.name, None


class Record:
    """Classes and functions by their own names, and the modules that name them."""

    def __init__(self) -> None:
        self.classes: dict[str, Json] = {}
        self.functions: dict[str, str] = {}
        self.modules: dict[str, dict[str, str] | None] = {}
        self.hints = Hints(self.class_)

    def run(self) -> None:
        found = dict(modules())
        for held in found.values():
            for thing in (held or {}).values():
                if inspect.isclass(thing) and ours(thing):
                    self.hints.by_bare_name.setdefault(thing.__name__, set()).add(thing)
        for name, held in found.items():
            told = held and {
                local: self.reference(thing)
                for local, thing in held.items()
                if local not in ("annotations", "NOT_IN_ALL", "_module")
                and not local.startswith("_" if name.startswith("livekit.plugins.") else "__")
            }
            self.modules[name] = told
            if told is None or held is None:
                continue
            if asked := held.get("__getattr__"):  # what it gives by name stands in its text
                text = ast.walk(ast.parse(textwrap.dedent(inspect.getsource(asked))))
                words = [node.value for node in text if isinstance(node, ast.Constant)]
                told |= {w: "v:" for w in words if isinstance(w, str) and w.isidentifier()}
            for hint, annotation in held.get("__annotations__", {}).items():
                if told.get(hint) == "v:":
                    told[hint] = f"v:{self.hints.type_of(annotation, sys.modules[name])}"

    def reference(self, thing: Any) -> str:
        """`m:` a module, `c:` a class, `f:` a function, `v:` a value and its type."""
        if isinstance(thing, types.ModuleType):
            return f"m:{thing.__name__}" if thing.__name__.startswith("livekit.") else "v:"
        if inspect.isclass(thing):
            return f"c:{self.class_(thing)}" if ours(thing) else "v:"
        if inspect.isfunction(thing) and ours(thing):
            self.functions.setdefault(name_of(thing), self.hints.signature(thing))
            return f"f:{name_of(thing)}"
        if type(thing).__name__ == "EnumTypeWrapper":
            return f"v:{self.proto_enum(thing)}"
        kind = type(thing)
        if kind.__name__ in PLAIN and PLAIN[kind.__name__] is kind:
            return f"v:{kind.__name__}"
        return f"v:{self.class_(kind)}" if ours(kind) else "v:"

    def proto_enum(self, wrapper: Any) -> str:
        name = f"enum:{wrapper.DESCRIPTOR.full_name}"
        told = dict.fromkeys([*wrapper.keys(), "ValueType"], "a:int")
        told |= dict.fromkeys(("Name", "Value", "keys", "values", "items", "DESCRIPTOR"), "a:")
        self.classes[name] = {"bases": [], "members": told}
        return name

    def class_(self, owner: Any) -> str:
        name: str = name_of(owner)
        if name in self.classes:
            return name
        told: Json = {"bases": [], "members": {}}
        self.classes[name] = told
        for base in owner.__mro__[1:-1]:
            told["bases"].append(self.class_(base) if ours(base) else self.foreign(base))
        members = told["members"]
        for member, value in vars(owner).items():
            if member in SPECIAL or self.shown(member, owner):
                members[member] = self.member(owner, value)
        members |= {
            k: v
            for k, v in self.fields(owner).items()
            if self.shown(k, owner) and (k not in members or (v != "a:" and members[k] == "a:"))
        }
        told["abstract"] = sorted(getattr(owner, "__abstractmethods__", ()))
        told["events"] = sorted(self.events(owner))
        if any("__getattr__" in vars(base) for base in owner.__mro__[:-1]):
            pydantic = hasattr(owner, "model_fields") and not self.takes_more(owner)
            told["open"] = not pydantic and not issubclass(owner, enum.Enum)
        if isinstance(getattr(owner, "model_fields", None), dict):
            taken = owner.model_fields.items()
            parts = [f"{n}{'' if field.is_required() else '='}" for n, field in taken]
            told["call"] = ", ".join(
                ["*", *parts, *(["**extra"] if self.takes_more(owner) else [])]
            )
        elif hasattr(owner, "DESCRIPTOR") and hasattr(owner.DESCRIPTOR, "fields"):
            fields = list(owner.DESCRIPTOR.fields)
            told["call"] = ", ".join(["*", *(f"{field.name}=" for field in fields)])
            members |= {field.name: f"a:{self.proto_field(field)}" for field in fields}
        elif issubclass(owner, enum.Enum):
            members |= dict.fromkeys(owner.__members__, f"a:{name}")
        elif (made := self.hints.signature(owner, returns=False)) is not None:
            told["call"] = made
        return name

    def takes_more(self, owner: Any) -> bool:
        return bool(owner.model_config.get("extra") == "allow")

    def shown(self, name: str, home: Any) -> bool:
        """Programs derive from LiveKit's own classes and see their inside, not that of plugins."""
        hidden = "_" if home.__module__.startswith("livekit.plugins.") else "__"
        return not name.startswith(hidden) and name != "_abc_impl"

    def events(self, owner: type) -> set[str]:
        """What it emits: the literals that its EventEmitter is made for."""
        found: set[str] = set()
        for base in owner.__mro__:
            for made in vars(base).get("__orig_bases__", ()):
                if getattr(typing.get_origin(made), "__name__", "") == "EventEmitter":
                    waiting = list(typing.get_args(made))
                    while waiting:
                        hint = waiting.pop()
                        if isinstance(hint, str):
                            found.add(hint)
                        waiting += typing.get_args(hint)
        return found

    def foreign(self, base: type) -> str:
        """A base of another library: what is public of it, without types."""
        name: str = name_of(base)
        public = [member for member in vars(base) if not member.startswith("_")]
        told = {"bases": [], "members": dict.fromkeys(public, "a:")}
        self.classes.setdefault(name, told)
        return name

    def proto_field(self, field: Any) -> str:
        if field.message_type is None:
            return ""
        if field.message_type.GetOptions().map_entry:
            return ""
        made = getattr(field.message_type, "_concrete_class", None)
        if made is None or not ours(made):
            return ""
        many = getattr(field, "is_repeated", None)
        if many is None:
            many = field.label == field.LABEL_REPEATED
        return f"iter:{self.class_(made)}" if many else self.class_(made)

    def member(self, owner: type, value: Any) -> str:
        """`s:` and a signature, or `a:` and a type."""
        home = sys.modules.get(owner.__module__)
        if isinstance(value, property):
            return f"a:{self.hints.returned(value.fget, home, owner)}"
        if isinstance(value, staticmethod):
            return f"s:{self.hints.signature(value.__func__, owner=owner)}"
        if isinstance(value, classmethod):
            return f"s:{self.hints.signature(value.__func__, bound=True, owner=owner)}"
        if inspect.isfunction(value):
            return f"s:{self.hints.signature(value, bound=True, owner=owner)}"
        if inspect.isclass(value) and ours(value):
            return f"c:{self.class_(value)}"
        kind = type(value)
        return f"a:{self.class_(kind) if ours(kind) else ''}"

    def fields(self, owner: type) -> dict[str, str]:
        """What its annotations declare and its methods set on self."""
        home = sys.modules.get(owner.__module__)
        found = {
            name: f"a:{self.hints.type_of(hint, home, owner)}"
            for name, hint in vars(owner).get("__annotations__", {}).items()
        }
        found |= dict.fromkeys(
            (s for s in vars(owner).get("__slots__", ()) if s not in found), "a:"
        )
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
        except (OSError, TypeError, SyntaxError, IndentationError):
            return found
        params = {
            (id(statement), arg.arg): ast.unparse(arg.annotation)
            for method in ast.walk(tree)
            if isinstance(method, ast.FunctionDef)
            for arg in [*method.args.args, *method.args.kwonlyargs]
            if arg.annotation
            for statement in ast.walk(method)
        }
        for node in ast.walk(tree):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", 0)]
            flat = [e for t in targets for e in (t.elts if isinstance(t, ast.Tuple) else [t])]
            for target in flat:
                held = getattr(target, "value", None)
                if isinstance(target, ast.Attribute) and getattr(held, "id", "") == "self":
                    hint = getattr(node, "annotation", None)
                    given = getattr(getattr(node, "value", None), "id", "")
                    text = ast.unparse(hint) if hint else params.get((id(node), given))
                    told = self.hints.type_of(text, home, owner) if text else ""
                    if not found.get(target.attr, "a:").removeprefix("a:"):
                        found[target.attr] = f"a:{told}"
        return found


def elements(record: Record) -> None:
    """What a loop over an object gives, as its member `*`."""
    for told in record.classes.values():
        for method in ("__anext__", "__next__", "__aiter__", "__iter__"):
            _, _, kind = told["members"].get(method, "").partition(" -> ")
            if kind and kind not in record.classes:
                told["members"].setdefault("*", f"a:{kind.removeprefix('iter:')}")
            elif kind and method in ("__anext__", "__next__"):
                told["members"].setdefault("*", f"a:{kind}")


def main() -> None:
    out, sys.stdout = sys.stdout, sys.stderr
    record = Record()
    record.run()
    elements(record)
    versions = {
        found.metadata["Name"].lower(): found.version
        for found in importlib.metadata.distributions()
        if found.metadata["Name"].lower().startswith("livekit")
    }
    for made in record.classes.values():
        for key in ("abstract", "events", "open"):
            if not made.get(key):
                made.pop(key, None)
    told: dict[str, Json] = {
        "versions": dict(sorted(versions.items())),
        "installed": installed(),
        "modules": record.modules,
        "classes": record.classes,
        "functions": record.functions,
    }
    lines = [  # a line an entry, for whoever compares two targets
        f"{json.dumps(part)}: {{\n"
        + ",\n".join(
            f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(held.items())
        )
        + "\n}"
        for part, held in told.items()
    ]
    out.write("{\n" + ",\n".join(lines) + "\n}\n")
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
