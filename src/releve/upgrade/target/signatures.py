"""A target's names, members and signatures."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
DEFAULT = "1.1.3"  # the migration's own
# What containers have, whichever of them it is.
MANY = {name for kind in (list, tuple, set, frozenset, deque) for name in dir(kind)}
PLAIN = {"str": set(dir(str)), "bytes": set(dir(bytes))}
PLAIN |= {"int": set(dir(int)), "float": set(dir(float)), "bool": set(dir(bool))}


@dataclass(frozen=True)
class Signature:
    positional: tuple[str, ...]
    keyword: tuple[str, ...]  # by keyword only
    required: frozenset[str]
    star: bool  # takes any number of positional arguments
    options: bool  # takes any keyword
    returns: str = ""
    coroutine: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.positional + self.keyword


@dataclass(frozen=True)
class Found:
    """What a full name stands for; `missing` is the first part of it that is not there, and `home`
    what does not have it."""

    reference: str = ""
    missing: str = ""
    home: str = ""
    member: str = ""  # of a class: how it is told there
    rest: tuple[str, ...] = field(default=())  # what follows a value


@cache
def signature(text: str) -> Signature:
    """`async a, b=, *, c=, **options -> type`, read."""
    told, _, returns = text.partition(" -> ")
    coroutine = told.startswith("async ") or told == "async"
    positional: list[str] = []
    keyword: list[str] = []
    required, star, options = set(), False, False
    by_keyword = False
    for part in filter(None, re.split(r",\s*", told.removeprefix("async").strip())):
        if part == "/":
            continue
        if part.startswith("**"):
            options = True
        elif part.startswith("*"):
            by_keyword, star = True, star or part != "*"
        else:
            name = part.removesuffix("=")
            (keyword if by_keyword else positional).append(name)
            if not part.endswith("="):
                required.add(name)
    return Signature(
        tuple(positional), tuple(keyword), frozenset(required), star, options, returns, coroutine
    )


class Target:
    """One release of livekit-agents with the SDK and the plugins that belong to it."""

    def __init__(self, version: str) -> None:
        told: dict[str, Any] = json.loads((FOLDER / f"{version}.json").read_text(encoding="utf-8"))
        self.version = version
        self.versions: dict[str, str] = told["versions"]
        self.installed: dict[str, dict[str, Any]] = told["installed"]
        self._modules: dict[str, dict[str, str] | None] = told["modules"]
        self._classes: dict[str, dict[str, Any]] = told["classes"]
        self._functions: dict[str, str] = told["functions"]

    def find(self, full: str) -> Found | None:
        """What `livekit.…` stands for; None where that cannot be told."""
        parts = full.split(".")
        if len(parts) < 2:
            return None
        module, names = parts[0], parts[1:]
        if parts[:2] == ["livekit", "plugins"]:
            module, names = "livekit.plugins", parts[2:]
        elif parts[0] != "livekit":
            return None
        reference = f"m:{module}"
        while names:
            kind, _, held = reference.partition(":")
            if kind == "v":
                return Found(reference, rest=tuple(names))
            if kind == "f":
                return Found(reference, rest=tuple(names))
            name = names.pop(0)
            if kind == "c":
                told = self.member(held, name)
                if told is None:
                    return Found(missing=name, home=held) if self.closed(held) else None
                if told.startswith("c:"):
                    reference = told
                    continue
                return Found(reference, home=held, member=told, rest=tuple(names))
            inside = f"{held}.{name}"
            known = self._modules.get(held, {})
            if known is None:
                return None
            if name in known:
                reference = known[name]
            elif inside in self._modules or inside == "livekit.plugins":
                reference = f"m:{inside}"
            elif name.startswith("_") and (
                name.startswith("__") or held.startswith("livekit.plugins.")
            ):
                return None
            else:
                return Found(missing=name, home=held)
        return Found(reference)

    def imported_by_itself(self, module: str, name: str) -> bool:
        """Whether a module's attribute is there without `import module.name`."""
        known = self._modules.get(module)
        return known is None or name in known or module in ("livekit", "livekit.plugins")

    def closed(self, owner: str) -> bool:
        """Whether a class has no other members than those that are told."""
        return owner in self._classes and not any(
            self._classes[name].get("open") for name in self._line(owner)
        )

    def known(self, owner: str) -> bool:
        return owner in self._classes

    def _line(self, owner: str) -> list[str]:
        return [owner, *(b for b in self._classes[owner]["bases"] if b in self._classes)]

    def derives(self, owner: str, base: str) -> bool:
        return owner in self._classes and any(name.endswith(base) for name in self._line(owner))

    def member(self, owner: str, name: str) -> str | None:
        """How a class tells a member; None where it has none."""
        if owner not in self._classes:
            return "a:"
        for base in self._line(owner):
            told: str | None = self._classes[base]["members"].get(name)
            if told is not None:
                return told
        hidden = name.startswith("_") and owner.startswith("livekit.plugins.")
        return "a:" if name.startswith("__") or hidden else None

    def members(self, owner: str) -> list[str]:
        """The names that programs may use, in order."""
        found = {n for base in self._line(owner) for n in self._classes[base]["members"]}
        return sorted(name for name in found if not name.startswith("_") and name != "*")

    def names(self, module: str) -> list[str]:
        return sorted(n for n in self._modules.get(module) or () if not n.startswith("_"))

    def has(self, kind: str, name: str) -> bool:
        """Whether an object of that type may have the attribute: True where it is not known."""
        for part in kind.split("|"):
            if part.startswith(("iter:", "items:")):
                found = name in MANY
            elif part.startswith("map:"):
                found = hasattr(dict, name)
            elif part in PLAIN:
                found = name in PLAIN[part]
            else:
                found = not self.closed(part) or self.member(part, name) is not None
            if found:
                return True
        return False

    def attribute(self, kind: str, name: str) -> str:
        """The type of an object's attribute, empty where it is not known."""
        found = set()
        for part in kind.split("|"):
            told = self.member(part, name) if part in self._classes else None
            if told is not None:
                found.add(told.removeprefix("a:") if told.startswith("a:") else "")
        return found.pop() if len(found) == 1 else ""

    def method(self, kind: str, name: str) -> Signature | None:
        """The signature of an object's method, None where it is not told."""
        told = self.member(kind, name) if kind in self._classes else None
        if told is None or not told.startswith("s:"):
            return None
        return None if told == "s:None" else signature(told.removeprefix("s:"))

    def made(self, owner: str) -> Signature | None:
        """What a class takes when it is called."""
        told = self._classes.get(owner, {}).get("call")
        return signature(told) if told is not None else None

    def function(self, name: str) -> Signature | None:
        told = self._functions.get(name)
        return signature(told) if told is not None else None

    def abstract(self, owner: str) -> list[str]:
        found: list[str] = self._classes.get(owner, {}).get("abstract", [])
        return found

    def events(self, owner: str) -> list[str]:
        found: list[str] = self._classes.get(owner, {}).get("events", [])
        return found


@cache
def load(version: str = DEFAULT) -> Target:
    return Target(version)


def versions() -> list[str]:
    """The targets there are, the oldest first."""
    told = [path.stem for path in FOLDER.glob("*.json")]
    return sorted(told, key=lambda version: [int(part) for part in version.split(".")])
