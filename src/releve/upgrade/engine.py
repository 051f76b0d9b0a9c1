"""Upgrade one module: detect, rewrite, and again until nothing is left that is certain."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from releve.upgrade.context import Context
from releve.upgrade.model import Finding, Note, Upgraded
from releve.upgrade.rules import DETECTORS
from releve.upgrade.syntax import imports
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import Apply
from releve.upgrade.syntax.imports import Imports
from releve.upgrade.syntax.kinds import Kinds

PASSES = 10
KEEP = "# releve: v1"  # on a line: a person has looked, nothing there is flagged


def upgrade(source: bytes) -> Upgraded:
    """What becomes of a module's text.

    Raises CannotParse when it is not Python; a text without the word livekit is left alone.
    """
    if b"livekit" not in source:
        return Upgraded(source, source)
    text = source
    first: tuple[Note, ...] = ()
    flags: tuple[Note, ...] = ()
    for passed in range(PASSES):
        code = Code(text)
        context = Context(code, Kinds(code), Imports(code))
        findings = [finding for detect in DETECTORS for finding in detect(context)]
        rewrites = [finding for finding in findings if finding.edits]
        left = _notes(code, (finding for finding in findings if not finding.edits))
        if not passed:
            first, flags = _notes(code, rewrites), left
        after = _rewritten(code, context.imports, rewrites)
        if after == text:
            if text != source:
                ast.parse(text)  # LibCST takes a little more than Python does
            return Upgraded(source, text, first, flags, left)
        text = after
    raise RuntimeError(
        f"the rules still change the text after {PASSES} passes: this is their fault"
    )


def _rewritten(code: Code, needed: Imports, rewrites: list[Finding]) -> bytes:
    before = imports.uses(code)
    if not rewrites:
        return imports.drop(code, before).bytes
    edited = code.module.visit(Apply([edit for finding in rewrites for edit in finding.edits]))
    return needed.add(imports.drop(Code(edited.bytes), before)).bytes


def _notes(code: Code, findings: Iterable[Finding]) -> tuple[Note, ...]:
    lines = code.module.code.splitlines()
    notes: dict[tuple[int, str, str], Note] = {}
    for finding in findings:
        number = code.line(finding.node)
        if finding.edits or KEEP not in lines[number - 1]:
            key = number, finding.rule.id, finding.advice
            notes.setdefault(key, Note(number, finding.rule, finding.advice))
    return tuple(notes[key] for key in sorted(notes))
