"""What a rule is, and what it found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import libcst as cst

# Given a node whose children are rewritten already, the node (or nodes, or removal) for its place.
Edit = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One difference between v0 and v1, and what the tool does about it."""

    id: str
    area: str
    v0: str
    v1: str
    certain: bool  # rewritten where it is recognised; otherwise flagged
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule met at one place of one file. A flag has no edits."""

    rule: Rule
    node: cst.CSTNode
    advice: str  # what was written, or what to write
    edits: tuple[tuple[cst.CSTNode, Edit], ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A finding as people and CI read it: `line` counts from 1."""

    line: int
    rule: Rule
    advice: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What became of one file. `rewrites` and `flags` count lines of the text before, `left` of the
    text after: what is still to do by hand when it is written."""

    before: bytes
    after: bytes
    rewrites: tuple[Note, ...] = ()
    flags: tuple[Note, ...] = ()
    left: tuple[Note, ...] = field(default=())


class CannotParse(ValueError):
    """The file is not what its name says; `line` is where, as far as that can be told."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line
