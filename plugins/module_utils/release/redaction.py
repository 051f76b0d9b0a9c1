"""Which values are secrets: they are told by their names only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

NAME = re.compile(
    r"key|secret|token|pass|pwd|credential|private|auth|cookie|salt|sign|cert|dsn|webhook|account"
    r"|license",
    re.IGNORECASE,
)
A_PATH = re.compile(r"/[\w./-]*")
IN_A_NAME = re.compile(
    r"://[^/\s]*@|-----BEGIN|\beyJ[\w-]{8,}|[?&;](key|token|sig|secret)\w*=", re.I
)
TOKEN = re.compile(r"(?=[^\s]*[0-9])(?=[^\s]*[A-Za-z])[\w+/=.~-]{20,}")
HIDDEN = "(secret)"
SHORTEST = 12  # what is shorter may be a word of other text


def is_secret(name: str, value: str) -> bool:
    """Whether a value must not be told; where nobody can say, it must not."""
    if A_PATH.fullmatch(value) or value.lower() in ("", "true", "false") or value.isdigit():
        return False
    return bool(NAME.search(name) or IN_A_NAME.search(value) or TOKEN.fullmatch(value))


def told(variables: Mapping[str, object]) -> dict[str, object]:
    """Variables as they may be told."""
    return {
        name: HIDDEN if value is not None and is_secret(name, str(value)) else value
        for name, value in variables.items()
    }


def secrets_in(variables: Mapping[str, str]) -> set[str]:
    """The values that are found and hidden in other text, too."""
    return {
        value
        for name, value in variables.items()
        if len(value) >= SHORTEST and is_secret(name, value)
    }


def without(text: str, secrets: Iterable[str]) -> str:
    """A text in which no secret is readable, nor what stands behind a name of one: as an option of
    a command or as a key of JSON."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = re.sub(rf'("[^"]*({NAME.pattern})[^"]*": ")[^"]+"', r'\g<1>***"', text, flags=re.I)
    return re.sub(rf"(--[\w-]*({NAME.pattern})[\w-]*[= ]+)[^\s\"']+", r"\g<1>***", text, flags=re.I)
