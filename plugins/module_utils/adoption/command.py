"""Commands of the host, and what is said when adoption cannot go on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Run = Callable[[list[str]], str]


class AdoptionError(Exception):
    """Nothing was changed, or what was changed is undone; the message says why."""


class ProcessGone(AdoptionError):
    """A process ended while it was inspected, as job processes do."""


class RuleLeftError(Exception):
    """A rule could not be removed: the worker cannot reconnect to the server."""


def run(argv: list[str]) -> str:
    """Standard output of a command; raises AdoptionError with what it said when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise AdoptionError(f"{argv[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout
