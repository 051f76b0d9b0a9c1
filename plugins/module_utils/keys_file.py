"""The keys file on a target: lines of `<api key>: <api secret>`, a YAML map that LiveKit reads too.

Standard library only: targets have no YAML. What is not such a line is refused, never rewritten.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

_QUOTED = r"""("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|"""
_KEY = _QUOTED + r"[^\s\W][^:#]*)"
_SECRET = _QUOTED + r"[^\s{}\[\]&*!|>%@`'\"#][^#]*?)"  # a plain word; no list, map or block
LINE = re.compile(rf"{_KEY}\s*:\s+{_SECRET}\s*(?:\s#.*)?")


class KeysFileError(ValueError):
    """The file cannot be understood; the message says which line, and never what stands there."""


def with_pair(text: str, pair: tuple[str, str]) -> str:
    """The text with this key and secret in it; the others stay as they are.

    A line of the same key gets this secret; a new key stands first, where it is the one to sign
    with. Raises KeysFileError.
    """
    lines = text.splitlines()
    wanted = f"{json.dumps(pair[0])}: {json.dumps(pair[1])}"  # JSON strings are YAML strings
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise KeysFileError(f"line {number + 1} is no `<api key>: <api secret>`; mend it")
        if _plain(found[1]) == pair[0]:
            if _plain(found[2]) != pair[1]:
                lines[number] = wanted
            return "".join(f"{each}\n" for each in lines)
    return "".join(f"{each}\n" for each in [wanted, *lines])


def _plain(text: str) -> str:
    """What a quoted or unquoted YAML word of one line says."""
    if text.startswith('"'):
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    if text.startswith("'") and text.endswith("'"):
        return text[1:-1].replace("''", "'")
    return text.strip()


def write(path: Path, text: str, owner: int) -> None:
    """Mode 0600 and this owner; an existing file keeps its inode. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, 0o600)
        os.fchown(handle, owner, owner)
        file.write(text)
        file.truncate()
        file.flush()
        os.fsync(handle)
