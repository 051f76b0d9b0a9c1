"""Annotations and signatures as the data tells them. Run by a target's own Python."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections import abc
from typing import Any

CONTAINERS = {list: "iter", set: "iter", frozenset: "iter", tuple: "iter", dict: "map"}
CONTAINERS |= {abc.AsyncIterator: "iter", abc.AsyncIterable: "iter", abc.AsyncGenerator: "iter"}
CONTAINERS |= {abc.Iterator: "iter", abc.Iterable: "iter", abc.Sequence: "iter", abc.Mapping: "map"}
NOTHING = ("NoneType", "NotGiven", "Omit")
PLAIN = {"str": str, "int": int, "float": float, "bool": bool, "bytes": bytes}


def ours(thing: Any) -> bool:
    message = getattr(getattr(thing, "DESCRIPTOR", None), "full_name", "")
    return f"{getattr(thing, '__module__', '')}.{message}".startswith("livekit.") or (
        inspect.isclass(thing) and isinstance(message, str) and message.startswith("livekit.")
    )


def name_of(thing: Any) -> str:
    if inspect.isclass(thing) and getattr(thing, "DESCRIPTOR", None) is not None:
        return f"proto:{thing.DESCRIPTOR.full_name}"  # type: ignore[attr-defined]
    return f"{thing.__module__}.{thing.__qualname__}"


class Hints:
    """`class_` gives the name under which a class of the target is told."""

    def __init__(self, class_: abc.Callable[[type], str]) -> None:
        self.class_ = class_
        self.by_bare_name: dict[str, set[type]] = {}

    def signature(
        self, thing: Any, bound: bool = False, owner: type | None = None, returns: bool = True
    ) -> Any:
        """`async a, b=, *, c=, **options -> type`; None where it cannot be told."""
        try:
            params = list(inspect.signature(thing).parameters.values())[1 if bound else 0 :]
        except (ValueError, TypeError):
            return None
        parts: list[str] = []
        star = False
        for place, param in enumerate(params):
            text = param.name + ("" if param.default is param.empty else "=")
            if param.kind is param.VAR_POSITIONAL:
                text, star = f"*{param.name}", True
            elif param.kind is param.VAR_KEYWORD:
                text = f"**{param.name}"
            elif param.kind is param.KEYWORD_ONLY and not star:
                parts, star = [*parts, "*"], True
            parts.append(text)
            after = params[place + 1 :]
            last = not after or after[0].kind is not param.POSITIONAL_ONLY
            if param.kind is param.POSITIONAL_ONLY and last:
                parts.append("/")
        told = ", ".join(parts)
        if not returns:
            return told
        home = sys.modules.get(getattr(thing, "__module__", None) or "")
        kind = self.returned(thing, home, owner)
        begins = "async " if inspect.iscoroutinefunction(inspect.unwrap(thing)) else ""
        return f"{begins}{told}{' -> ' + kind if kind else ''}"

    def returned(self, thing: Any, home: Any, owner: type | None) -> str:
        hint = getattr(thing, "__annotations__", {}).get("return")
        return self.type_of(hint, home, owner) if hint is not None else ""

    def type_of(self, hint: Any, home: Any, owner: type | None = None) -> str:
        """A class of ours, a plain one, `iter:` or `map:` of one; empty for whatever else."""
        if isinstance(hint, str):
            hint = self.evaluated(hint, home)
        if hint is None:
            return ""
        if inspect.isclass(hint) and not typing.get_args(hint):
            if ours(hint):
                return self.class_(hint)
            return hint.__name__ if PLAIN.get(hint.__name__) is hint else ""
        if getattr(hint, "__name__", "") == "Self" and owner is not None:
            return self.class_(owner)
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return self.type_of(args[0], home, owner)
        if origin is typing.Union or origin is types.UnionType:
            kept = [a for a in args if getattr(a, "__name__", str(a)) not in NOTHING]
            told = [self.type_of(arg, home, owner) for arg in kept]
            whole = all(told) and (
                len(kept) == 1 or not any(kind.startswith(("iter:", "map:")) for kind in told)
            )
            return "|".join(dict.fromkeys(told)) if whole else ""
        if origin in (abc.Awaitable, abc.Coroutine):
            return self.type_of(args[-1], home, owner)
        if inspect.isclass(origin) and ours(origin):
            return self.class_(origin)
        shape = CONTAINERS.get(origin) if origin is not None else None
        if shape is None or not args:
            return ""
        inner = self.type_of(args[-1] if shape == "map" else args[0], home, owner)
        return f"{shape}:{inner}" if inner else ""

    def evaluated(self, text: str, home: Any) -> Any:
        """An annotation in quotes. What is imported for type checkers only is found by its name."""
        bare = {name: next(iter(t)) for name, t in self.by_bare_name.items() if len(t) == 1}
        names = {**vars(typing), **vars(abc), **bare, **vars(home or typing)}
        try:
            return eval(text, names)  # noqa: S307
        except Exception:
            return None
