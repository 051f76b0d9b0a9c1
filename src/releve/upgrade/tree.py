"""The files of a project: found, upgraded in memory, and only then written, each in one step."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from multiprocessing import get_context
from pathlib import Path

from releve.upgrade import engine, era
from releve.upgrade.era import Era
from releve.upgrade.model import CannotParse, Note, Rule, Upgraded
from releve.upgrade.syntax.code import Code
from releve.upgrade.syntax.kinds import Kinds
from releve.upgrade.syntax.library import V0
from releve.upgrade.syntax.neighbours import Neighbours
from releve.upgrade.target.signatures import Target, load
from releve.upgrade.versions import pins

NOT_READ = Rule(
    "not-read",
    "files",
    "a file that mentions livekit and is not what its name says: Python that does not parse, a "
    "pyproject.toml that is no TOML",
    "correct it, or leave it out with --exclude",
    False,
    "nothing of it is rewritten or checked; all other files are",
)
RULES = (NOT_READ,)
LARGE = 400_000  # bytes: some 10,000 lines, which take half a minute on one processor
CACHES = {"__pycache__"}
NOT_SOURCE = {"node_modules", "site-packages", "build", "dist"}
ACTIVATE = ("pyvenv.cfg", "bin/activate", "Scripts/activate", "conda-meta")  # of an environment


@dataclass(frozen=True)
class File:
    """One file with something to say: rewritten, flagged or both."""

    path: Path
    upgraded: Upgraded

    @property
    def changed(self) -> bool:
        return self.upgraded.after != self.upgraded.before


@dataclass
class Project:
    """What was found under a path."""

    files: list[File] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)  # environments and built files


class Refused(Exception):
    """The tool failed at a file; nothing is written. One sentence a file."""


def upgrade(path: Path, target: Target | None = None, exclude: Sequence[str] = ()) -> Project:
    """Every file at or under `path` in which something is to do.

    Raises Refused when the tool fails at one, OSError when one cannot be read.
    """
    target, project, refused = target or load(), Project(), []
    sources = {
        file: source
        for file in files(path, exclude, project.left_out)
        if b"livekit" in (source := file.read_bytes())
    }
    eras = _eras(path, sources)
    others, root = _neighbours(path, sources), path if path.is_dir() else path.parent
    tasks = [
        _Task(file, source, target.version, _nearest(file, eras), file.relative_to(root), others)
        for file, source in sources.items()
    ]
    for file, done in zip(sources, _all(tasks), strict=True):
        if isinstance(done, str):
            refused.append(f"{file}: {done}")
        elif done.rewrites or done.flags or done.left or done.after != done.before:
            project.files.append(File(file, done))
    if refused:
        raise Refused("\n".join(refused))
    return project


@dataclass(frozen=True)
class _Task:
    """All that is needed to upgrade one file, in a process of its own."""

    path: Path
    source: bytes
    target: str
    era: Era | None
    inside: Path  # the project
    others: Neighbours | None


def _all(tasks: list[_Task]) -> list[Upgraded | str]:
    """What becomes of each, on all processors where that is worth starting them."""
    if sum(len(task.source) for task in tasks) < LARGE:
        return [_one(task) for task in tasks]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        return list(pool.map(_one, tasks, chunksize=8))


def _one(task: _Task) -> Upgraded | str:
    """What becomes of a file; a sentence where the tool fails at it."""
    source, kind, target = task.source, pins.kind_of(task.path.name), load(task.target)
    try:
        if kind:
            return pins.upgrade(source, kind, target)
        return engine.upgrade(source, target, task.era, V0(task.others, task.inside))
    except CannotParse as error:
        note = (Note(error.line, NOT_READ, f"{error}: {NOT_READ.v1}"),)
        return Upgraded(source, source, (), note, note)
    except Exception as error:  # a fault of ours: say where, and touch nothing
        said = f"{type(error).__name__}: {error}"
        return f"the tool failed here ({said}); report it, and --exclude the file"


def _neighbours(path: Path, sources: dict[Path, bytes]) -> Neighbours | None:
    """What the project's modules give each other; None where none imports another."""
    code = {file: source for file, source in sources.items() if file.suffix == ".py"}
    names = {file.stem if file.stem != "__init__" else file.parent.name for file in code}
    told = re.compile(
        rb"^\s*(?:from|import)\s+(?!livekit\b)[^\n]*?\b(%s)\b"
        % b"|".join(re.escape(name.encode()) for name in sorted(names)),
        re.MULTILINE,
    )
    imported = {found.decode() for source in code.values() for found in told.findall(source)}
    bound = {
        file
        for file, source in code.items()
        if file.stem in imported or file.parent.name in imported or told.search(source)
    }
    if not path.is_dir() or len(bound) < 2:
        return None
    others = Neighbours()
    for file in sorted(bound):
        try:
            parsed = Code(code[file])
        except CannotParse:
            continue
        others.add(file.relative_to(path), parsed, Kinds(parsed))
    return others


def _eras(path: Path, sources: dict[Path, bytes]) -> dict[Path, Era]:
    """By folder: what the pins there say; of the whole, else, what its programs say."""
    texts: dict[Path, list[str]] = {}
    for file, source in sources.items():
        if pins.kind_of(file.name):
            texts.setdefault(file.parent, []).append(source.decode(errors="replace"))
    found = {home: told for home, some in texts.items() if (told := era.of_pins(some)) is not None}
    top = path if path.is_dir() else path.parent
    if top not in found:
        code = [source for file, source in sources.items() if not pins.kind_of(file.name)]
        everywhere = era.of_pins(text for some in texts.values() for text in some)
        told = everywhere if everywhere is not None else era.of_texts(code)
        if told is not None:
            found[top] = told
    return found


def _nearest(file: Path, eras: dict[Path, Era]) -> Era | None:
    return next((eras[home] for home in file.parents if home in eras), None)


def files(
    path: Path, exclude: Sequence[str] = (), left_out: list[Path] | None = None
) -> Iterator[Path]:
    """Python files and files that tell versions, outside hidden folders and environments.

    `exclude` are patterns of names, or of paths below `path`; what else is left out and may hold
    Python is added to `left_out`.
    """
    if path.is_file():
        yield path
        return
    for folder, names, there in os.walk(path):
        here, kept = Path(folder), []
        for name in sorted(names):
            inside = here / name
            if name in CACHES or _matches(inside, path, exclude):
                continue
            if name in NOT_SOURCE or any((inside / part).exists() for part in ACTIVATE):
                if left_out is not None:
                    left_out.append(inside)
            elif not name.startswith("."):
                kept.append(name)
        names[:] = kept
        for name in sorted(there):
            file = here / name
            wanted = name.endswith(".py") or pins.kind_of(name)
            if wanted and not file.is_symlink() and not _matches(file, path, exclude):
                yield file


def _matches(file: Path, root: Path, patterns: Sequence[str]) -> bool:
    inside = file.relative_to(root).as_posix()
    return any(fnmatch(name, p.rstrip("/")) for p in patterns for name in (inside, file.name))


def write(file: File) -> None:
    """Replace the file in one step: a reader sees the old text or the new one. Its mode is kept."""
    path = file.path.resolve()
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(file.upgraded.after)
            out.flush()
            os.fsync(out.fileno())
        new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
