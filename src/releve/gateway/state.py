"""What the operator decided, kept in a file so that a restart of the gateway changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import cast

from releve.gateway.policy import COLOURS, Colour, Rules, parse_weights


class StateError(ValueError):
    """The state file cannot be used; the message says what to do."""


def load(path: Path, fallback: frozenset[Colour]) -> Rules:
    """Rules from the last run, or blue 100 when there was none.

    Raises StateError for a damaged file: guessing weights would move people's calls.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        weights = parse_weights(raw["weights"])
        cordoned = frozenset(raw["cordoned"])
    except FileNotFoundError:
        return Rules(fallback=fallback)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"gateway state {path} is damaged ({error}); remove it to start with blue 100"
        ) from error
    if not cordoned <= set(COLOURS):
        raise StateError(f"gateway state {path} names unknown colours; remove it")
    return Rules(weights, cast("frozenset[Colour]", cordoned), fallback)


def save(path: Path, rules: Rules) -> None:
    """Replace the file in one step: a crash leaves the old state or the new one."""
    body = json.dumps({"weights": rules.weights.as_dict(), "cordoned": sorted(rules.cordoned)})
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise
