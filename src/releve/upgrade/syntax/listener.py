"""A callback that is registered for an event."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst


@dataclass(frozen=True)
class Listener:
    """`emitter.on("event", callback)`, written as a call or as a decorator."""

    call: cst.Call
    emitter: str
    event: str
    once: bool
    callback: cst.FunctionDef | None  # None: a lambda or a function of another file
    callback_expression: cst.BaseExpression | None  # None: a decorator
