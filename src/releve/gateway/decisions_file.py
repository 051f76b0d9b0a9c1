"""What the operator decided, kept in a file so that a restart of the gateway changes nothing."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from releve.gateway.config import DEFAULT
from releve.gateway.policy import COLOURS, Colour, Decisions, Rules, parse_weights


class StateError(ValueError):
    """The state file cannot be used; the message says what to do."""


def load(path: Path, agents: Iterable[str], fallback: frozenset[Colour]) -> Decisions:
    """Decisions from the last run; an agent of which none are known begins with blue 100.

    An agent that is not among `agents` any more is kept: it may come back. A file from before
    there were several is about the default one. Raises StateError for a damaged file: guessing
    weights would move people's calls.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        told = raw.get("agents", {DEFAULT: raw})
        found = {agent: _rules(said, fallback) for agent, said in told.items()}
        peers = frozenset(_address(peer) for peer in raw.get("cordoned_peers", []))
    except FileNotFoundError:
        found, peers = {}, frozenset()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"gateway state {path} is damaged ({error}); remove it to start with blue 100"
        ) from error
    return Decisions({agent: Rules(fallback=fallback) for agent in agents} | found, peers)


def _rules(raw: Any, fallback: frozenset[Colour]) -> Rules:
    cordoned = frozenset(raw["cordoned"])
    if not cordoned <= set(COLOURS):
        raise ValueError("it names unknown colours")
    return Rules(parse_weights(raw["weights"]), cordoned, fallback)


def _address(peer: object) -> str:
    return str(ipaddress.ip_address(str(peer)))


def save(path: Path, decisions: Decisions) -> None:
    """Replace the file in one step: a crash leaves the old state or the new one."""
    body = json.dumps(
        {
            "agents": {
                agent: {"weights": rules.weights.as_dict(), "cordoned": sorted(rules.cordoned)}
                for agent, rules in decisions.agents.items()
            },
            "cordoned_peers": sorted(decisions.cordoned_peers),
        }
    )
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
