"""`releve upgrade-code`: move v0 agent code to the v1 framework."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:  # libcst and the rules load slowly, and only where the command runs
    from releve.upgrade.model import Note, Rule
    from releve.upgrade.tree import File, Project


class Mode(Enum):
    CHECK = "check"
    DIFF = "diff"
    WRITE = "write"


def _table(wanted: bool) -> None:
    if wanted:
        _loaded()
        from releve.upgrade.table import page

        typer.echo(page(_rules()), nl=False)
        raise typer.Exit


def upgrade_code(
    path: Annotated[Path, typer.Argument(help="A file, or a folder with all that is in it.")],
    check: Annotated[
        bool, typer.Option("--check", help="List what is to do (the default).")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Show the rewrite as a unified diff.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Rewrite the files.")] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Leave out what matches: a name, or a path below PATH. May be repeated."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="The livekit-agents to move to: 1.1.3 (the default) or 1.8.9."),
    ] = None,
    sarif: Annotated[Path | None, typer.Option(help="Write the list as SARIF 2.1.0, too.")] = None,
    _show_table: Annotated[
        bool,
        typer.Option("--table", callback=_table, is_eager=True, help="Print docs/upgrading.md."),
    ] = False,
) -> None:
    """Rewrite v0.x LiveKit agent code for v1, and flag what only a person can decide.

    Exit 0 when nothing is to do (with --write: nothing is left), 1 when something is, 2 when a file
    cannot be read or written. What is left is checked against the signatures of the target.
    """
    if check + diff + write > 1:
        _stop("choose one of --check, --diff and --write")
    if not path.exists():
        _stop(f"{path} is not there; give a file or a folder")
    _loaded()
    from releve.upgrade import tree
    from releve.upgrade.target import signatures

    if target is not None and target not in signatures.versions():
        _stop(f"--target {target} is not known; choose one of {', '.join(signatures.versions())}")
    mode = Mode.WRITE if write else Mode.DIFF if diff else Mode.CHECK
    try:
        project = tree.upgrade(path, signatures.load(target or signatures.DEFAULT), exclude or ())
        files = project.files
        if mode is Mode.WRITE:
            for file in files:
                if file.changed:
                    tree.write(file)
        if sarif is not None:
            _sarif(files, mode, path, sarif)
    except tree.Refused as error:
        _stop(f"{error}\nnothing was written")
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}; fix its permissions or free some space")
    remaining = _told(project, mode)
    raise typer.Exit(1 if remaining else 0)


def _told(project: Project, mode: Mode) -> bool:
    """Print what was found; whether something is left to do."""
    files = project.files
    for folder in project.left_out:
        typer.echo(f"{folder}: left out, an environment or built files", err=True)
    if mode is Mode.DIFF:
        for file in files:
            typer.echo(_diff(file), nl=False)
    rewrites = flags = 0
    for file, note, certain in _notes(files, mode):
        verb = ("rewritten" if mode is Mode.WRITE else "rewrite") if certain else "by hand"
        typer.echo(
            f"{file.path}:{note.line}: {verb}: {note.rule.id}: {note.advice}", err=mode is Mode.DIFF
        )
        if not certain:
            typer.echo(f"    {note.rule.why}", err=mode is Mode.DIFF)
        rewrites, flags = rewrites + certain, flags + (not certain)
    changed = sum(file.changed for file in files)
    done = "rewritten" if mode is Mode.WRITE else "to rewrite"
    typer.echo(
        f"{changed} files {done} ({rewrites} places), {flags} places to change by hand", err=True
    )
    return bool(flags) or (mode is not Mode.WRITE and changed > 0)


def _notes(files: list[File], mode: Mode) -> Iterator[tuple[File, Note, bool]]:
    """By file and line. After --write, what is left has the lines of the new text."""
    for file in files:
        left = file.upgraded.left if mode is Mode.WRITE else file.upgraded.flags
        both = [(note, True) for note in file.upgraded.rewrites] + [(note, False) for note in left]
        for note, certain in sorted(both, key=lambda pair: pair[0].line):
            yield file, note, certain


def _diff(file: File) -> str:
    old, new = (
        text.decode(errors="replace").splitlines(keepends=True)
        for text in (file.upgraded.before, file.upgraded.after)
    )
    name = file.path.as_posix().lstrip("/")
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    unended = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + unended for line in lines)


def _sarif(files: list[File], mode: Mode, path: Path, to: Path) -> None:
    from releve.upgrade.sarif import document

    root = path if path.is_dir() else path.parent
    notes = ((file.path, note, certain) for file, note, certain in _notes(files, mode))
    made = document(notes, _rules(), root)
    to.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rules() -> tuple[Rule, ...]:
    """Every rule there is, in the page's order."""
    from releve.upgrade.check.rules import RULES as CHECKS
    from releve.upgrade.rules import RULES
    from releve.upgrade.tree import RULES as FILES
    from releve.upgrade.versions.pins import RULES as VERSIONS

    return (*RULES, *CHECKS, *VERSIONS, *FILES)


def _loaded() -> None:
    try:
        import libcst  # noqa: F401
    except ImportError:
        _stop("libcst is missing; install requirements/control.txt, where this command belongs")


def _stop(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
