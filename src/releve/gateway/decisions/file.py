"""The decisions in a file, so that a restart of the gateway changes nothing.

A gateway that relieves another shares the file with it: whoever changes it holds its lock and
reads it first.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from releve.gateway.config import DEFAULT
from releve.gateway.decisions.model import (
    NOBODY,
    Decision,
    Decisions,
    Lease,
    Otherwise,
    Tenure,
)
from releve.gateway.policy import COLOURS, Colour, Rules, parse_weights

LOCK_SECONDS = 2.0
LOCK_AGAIN_SECONDS = 0.01

Signature = tuple[int, int, int]


class StateError(ValueError):
    """The state file cannot be used; the message says what to do."""


class Locked(Exception):
    """Another gateway holds the lock for too long."""


def load(path: Path, agents: Iterable[str], fallback: frozenset[Colour]) -> Decisions:
    """Decisions from the last run; an agent of which none are known begins with blue 100.

    An agent that is not among `agents` any more is kept: it may come back. A file from before
    there were several is about the default one. Raises StateError for a damaged file: guessing
    weights would move people's calls.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        told = raw.get("agents", {DEFAULT: raw})
        found = {agent: _decision(said, fallback) for agent, said in told.items()}
        peers = frozenset(_address(peer) for peer in raw.get("cordoned_peers", []))
    except FileNotFoundError:
        found, peers = {}, frozenset()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(
            f"gateway state {path} is damaged ({error}); remove it to start with blue 100"
        ) from error
    all_ = {agent: Decision(Rules(fallback=fallback)) for agent in agents} | found
    return Decisions(
        {agent: decision.rules for agent, decision in all_.items()},
        peers,
        {agent: one.tenure for agent, one in all_.items() if one.tenure != NOBODY},
    )


def signature(path: Path) -> Signature | None:
    """Differs after every change of the file; None when it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else changes the file inside the block. Raises Locked, and OSError."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise Locked(f"another gateway holds {path}.lock") from None
                time.sleep(LOCK_AGAIN_SECONDS)
            else:
                break
        yield
    finally:
        os.close(handle)


def save(path: Path, decisions: Decisions, fallback: frozenset[Colour]) -> None:
    """Replace the file in one step: a crash or a power cut leaves the old state or the new one.

    A fallback that is the one of the settings is left out: it changes with them.
    """
    body = json.dumps(
        {
            "agents": {agent: _entry(decisions.of(agent), fallback) for agent in decisions.agents},
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
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    # Without it a power cut may bring back the file's old content under its name.
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _entry(decision: Decision, fallback: frozenset[Colour]) -> dict[str, Any]:
    rules, tenure = decision.rules, decision.tenure
    return {
        "weights": rules.weights.as_dict(),
        "cordoned": sorted(rules.cordoned),
        "fallback": None if rules.fallback == fallback else sorted(rules.fallback),
        "listed": dict(rules.listed),
        "epoch": tenure.epoch,
        "by": tenure.by,
        "why": tenure.why,
        "decided": tenure.decided,
        "lease": None if tenure.lease is None else _lease_entry(tenure.lease),
    }


def _lease_entry(lease: Lease) -> dict[str, Any]:
    left = lease.ends - time.monotonic()
    otherwise = lease.otherwise
    return {
        "seconds": lease.seconds,
        # The monotonic clock is one for all processes of a boot; after a reboot the other one
        # has to do.
        "boot": _boot(),
        "ends_monotonic": lease.ends,
        "ends": time.time() + left,
        "otherwise": {
            "weights": otherwise.weights.as_dict(),
            "cordons": dict(otherwise.cordons),
            "fallback": None if otherwise.fallback is None else sorted(otherwise.fallback),
        },
    }


def _decision(raw: Any, fallback: frozenset[Colour]) -> Decision:
    decided = raw.get("decided")
    tenure = Tenure(
        int(raw.get("epoch", 0)),
        str(raw.get("by", "")),
        str(raw.get("why", "")),
        None if decided is None else float(decided),
        None if raw.get("lease") is None else _lease(raw["lease"]),
    )
    own = raw.get("fallback")
    rules = Rules(
        parse_weights(raw["weights"]),
        _colours(raw["cordoned"]),
        fallback if own is None else _colours(own),
        _listed(raw.get("listed", {})),
    )
    return Decision(rules, tenure)


def _listed(raw: Any) -> dict[str, Colour]:
    _colours(raw.values())
    return dict(raw)


def _colours(raw: Any) -> frozenset[Colour]:
    colours = frozenset(raw)
    if not colours <= set(COLOURS):
        raise ValueError("it names unknown colours")
    return colours


def _lease(raw: Any) -> Lease:
    seconds = float(raw["seconds"])
    said = raw["otherwise"]
    otherwise = Otherwise(
        parse_weights(said["weights"]),
        {colour: bool(said["cordons"][colour]) for colour in COLOURS if colour in said["cordons"]},
        None if said["fallback"] is None else _colours(said["fallback"]),
    )
    now = time.monotonic()
    if raw["boot"] and raw["boot"] == _boot():
        ends = float(raw["ends_monotonic"])
    else:
        ends = now + float(raw["ends"]) - time.time()
    return Lease(seconds, min(ends, now + seconds), otherwise)


@cache
def _boot() -> str:
    """Which boot of the host this is."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _address(peer: object) -> str:
    return str(ipaddress.ip_address(str(peer)))
