"""Upgrade one module: detect and rewrite until nothing certain is left, then check the result."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from difflib import SequenceMatcher

import libcst as cst

from releve.upgrade import era
from releve.upgrade.check import binding
from releve.upgrade.context import Context
from releve.upgrade.era import Era
from releve.upgrade.model import CannotParse, Finding, Note, Upgraded
from releve.upgrade.rules import DETECTORS
from releve.upgrade.syntax import imports
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.edit import Apply
from releve.upgrade.syntax.imports import Imports
from releve.upgrade.syntax.kinds import Kinds
from releve.upgrade.syntax.library import Library
from releve.upgrade.target.signatures import Target, load

PASSES = 10
KEEP = "# releve: v1"  # on a line: a person has looked, nothing there is flagged


def upgrade(
    source: bytes,
    target: Target | None = None,
    project: Era | None = None,
    library: Library | None = None,
) -> Upgraded:
    """What becomes of a module's text, held against the target. `project` is the era of the files
    around it, for a text that does not tell its own; `library` knows what they hold.

    Raises CannotParse when it is not Python; a text without the word livekit is left alone.
    """
    if b"livekit" not in source:
        return Upgraded(source, source)
    text, written = source, Era.OLD
    first: tuple[Note, ...] = ()
    flags: tuple[Note, ...] = ()
    for passed in range(PASSES):
        code = Code(text)
        if not passed:
            told = era.of_code(code)
            # Later names in old pins: the program is newer than its pins say.
            written = told if told is not None else project if project is not None else Era.OLD
        context = Context(code, Kinds(code, library), Imports(code), written)
        findings = [finding for detect in DETECTORS for finding in detect(context)]
        rewrites = [finding for finding in findings if finding.edits]
        by_hand = [finding for finding in findings if not finding.edits]
        if not passed:
            first, flags = _notes(code, rewrites), _notes(code, by_hand)
        after = _rewritten(code, context.imports, rewrites)
        if after == text:
            if text != source:
                _parsed(text)
            unfit = _notes(code, _unsaid(code, by_hand, binding.find(code, target or load())))
            left = _sorted((*_notes(code, by_hand), *unfit))
            flags = _sorted((*flags, *_moved_back(source, text, unfit)))
            return Upgraded(source, text, first, flags, left)
        text = after
    raise RuntimeError(
        f"the rules still change the text after {PASSES} passes: this is their fault"
    )


def _parsed(text: bytes) -> None:
    """Raise CannotParse for what is no Python: LibCST takes a little more than Python does."""
    try:
        ast.parse(text)
    except SyntaxError as error:
        line = error.lineno or 1
        raise CannotParse(
            f"not Python that can be parsed (line {line}: {error.msg})", line
        ) from error


def _unsaid(code: Code, said: list[Finding], unfit: Iterable[Finding]) -> Iterable[Finding]:
    """What the check found and no rule has flagged already: one flag a construct."""
    spoken = {id(part) for finding in said for part in _construct(finding.node)}
    for finding in unfit:
        node, above = finding.node, code.parent(finding.node)
        parts = [*_construct(node), *([above] if isinstance(above, cst.ImportFrom) else [])]
        if isinstance(node, cst.Arg) and above is not None:
            parts += _construct(above)
        if isinstance(node, cst.FunctionDef):
            parts += filter(None, [code.owner(node)])
        if not any(id(part) in spoken for part in parts):
            yield finding


def _construct(node: cst.CSTNode) -> list[cst.CSTNode]:
    """A call and what it calls are one; so are an attribute and its call."""
    return [node, node.func] if isinstance(node, cst.Call) else [node]


def _sorted(notes: Iterable[Note]) -> tuple[Note, ...]:
    return tuple(sorted(notes, key=lambda note: (note.line, note.rule.id, note.advice)))


def _moved_back(before: bytes, after: bytes, notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """Notes of the text after with the lines that they came from in the text before."""
    if before == after or not notes:
        return notes
    old, new = before.splitlines(), after.splitlines()
    found: dict[int, int] = {}
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        for line in range(j1, j2):
            offset = line - j1 if tag == "equal" else min(line - j1, max(i2 - i1 - 1, 0))
            found[line + 1] = min(i1 + offset, max(len(old) - 1, 0)) + 1
    return tuple(Note(found.get(note.line, 1), note.rule, note.advice) for note in notes)


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
