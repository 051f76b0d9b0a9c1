"""The Python that really runs in a container: that of its process, not the first on PATH."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# What decides which packages an interpreter sees.
TELLING = re.compile(r"PATH|LD_LIBRARY_PATH|VIRTUAL_ENV|PYTHON\w*")


@dataclass(frozen=True)
class Interpreter:
    """How a process was started: `program` is its first argument, looked up in `env`'s PATH or, as
    a relative path, in the folder `cwd`; `user` is uid:gid."""

    program: str
    cwd: str
    user: str
    env: dict[str, str] = field(hash=False)


def interpreters(pid: int, proc: Path = Path("/proc")) -> Iterator[Interpreter]:
    """The Pythons among a process and what it started, the nearest to it first, each once.

    A process that ends meanwhile is left out.
    """
    seen: list[Interpreter] = []
    level = [pid]
    while level:
        below: list[int] = []
        for one in level:
            try:
                below += _children(proc / str(one))
                found = _interpreters_of(proc / str(one))
            except OSError:
                continue
            for interpreter in found:
                if interpreter not in seen:
                    seen.append(interpreter)
                    yield interpreter
        level = below


def _interpreters_of(process: Path) -> list[Interpreter]:
    """None where it is no Python; else as it was called, then by the file that runs, because a
    process may have given itself another title."""
    file = str((process / "exe").readlink()).removesuffix(" (deleted)")
    if not Path(file).name.startswith(("python", "pypy")):
        return []
    words = _words(process / "cmdline")
    env = dict(word.partition("=")[::2] for word in _words(process / "environ"))
    telling = {name: value for name, value in env.items() if TELLING.fullmatch(name)}
    cwd, user = str((process / "cwd").readlink()), _user(process / "status")
    return [Interpreter(program, cwd, user, telling) for program in [*words[:1], file] if program]


def _children(process: Path) -> list[int]:
    text = " ".join(path.read_text() for path in process.glob("task/*/children"))
    return [int(pid) for pid in text.split()]


def _words(file: Path) -> list[str]:
    text = file.read_bytes().decode(errors="surrogateescape")
    return text.rstrip("\0").split("\0") if text else []


def _user(status: Path) -> str:
    text = status.read_text(encoding="utf-8", errors="replace")
    ids = [re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE) for name in ("Uid", "Gid")]
    return ":".join(found[1] for found in ids if found)
