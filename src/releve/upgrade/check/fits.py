"""Whether arguments fit a signature."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst

from releve.upgrade.target.signatures import Signature

SHOWN = 14  # names of a signature that a flag lists


def misfits(args: Sequence[cst.Arg], told: Signature) -> Iterator[tuple[cst.Arg | None, str]]:
    """(argument, or None for the call as a whole; what is wrong), each once."""
    starred = any(arg.star for arg in args)
    placed = sum(arg.keyword is None and not arg.star for arg in args)
    given = set(told.positional[:placed])
    for arg in args:
        name = arg.keyword.value if arg.keyword else ""
        if name and not told.options and name not in told.names:
            yield arg, f"{name}="
        elif name and name in given:
            yield arg, f"{name}= a second time"
        given.add(name)
    if placed > len(told.positional) and not told.star:
        most = len(told.positional)
        yield None, f"{placed} arguments by position, where it takes {most or 'none'}"
    missing = sorted(told.required - given)
    if missing and not starred:
        yield None, f"nothing for {', '.join(missing)}"


def shown(told: Signature) -> str:
    """`a, b, *, c=, d=`: as it may be called, cut where it is long."""
    parts = [name if name in told.required else f"{name}=" for name in told.positional]
    parts += ["*args"] if told.star else ["*"] if told.keyword else []
    parts += [name if name in told.required else f"{name}=" for name in told.keyword]
    parts += ["**options"] if told.options else []
    return ", ".join(parts if len(parts) <= SHOWN else [*parts[:SHOWN], "…"])


def accepts(params: cst.Parameters, told: Signature) -> str:
    """What a method that the target calls by this signature does not take; empty where it fits."""
    own = [p.name.value for p in [*params.posonly_params, *params.params]][1:]
    required = [p.name.value for p in [*params.posonly_params, *params.params] if p.default is None]
    named = {*own, *(p.name.value for p in params.kwonly_params)}
    star = isinstance(params.star_arg, cst.Param)
    if not star and len(own) < len(told.positional):
        return ", ".join(told.positional[len(own) :])
    extra = [name for name in own[len(told.positional) :] if name in required]
    if extra and not set(extra) <= set(told.keyword):
        return f"it is not given {', '.join(extra)}"
    lacking = [name for name in told.keyword if name not in named]
    return ", ".join(f"{name}=" for name in lacking) if lacking and not params.star_kwarg else ""
