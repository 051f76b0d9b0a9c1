"""Databases write their dump; other writers are paused while their volume is read."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..docker_host import said_in
from .contents import BackupError

BGSAVE_SECONDS = 120.0
# After a restart of the engine containers are still paused: wait for the engine.
WAKE_TRIES = 300  # a fifth of a second apart
# One process does both, so that nothing is paused after the unpause. It survives this process.
WAKE = r"""
trap '' PIPE
docker pause "$@" 2>&1 >/dev/null
echo "paused $?"
cat >/dev/null
left=%d
for name; do
    until docker unpause "$name"; do
        still=$(docker ps --quiet --filter status=paused --filter "name=^/$name\$") &&
            [ -z "$still" ] && break
        left=$((left - 1)); [ $left -gt 0 ] || exit 1; sleep 0.2
    done
done >/dev/null 2>&1
"""


@dataclass
class Pause:
    """The paused containers; `seconds` is set when they run again."""

    containers: tuple[str, ...]
    seconds: float = field(default=0.0)


def flush_database(client: Any, name: str) -> bool:
    """Run BGSAVE and wait for it. False if the database refuses, as without its password."""
    container = client.containers.get(name)

    def ask(*words: str) -> str:
        return said_in(container, ["redis-cli", *words]) or ""

    deadline = time.monotonic() + BGSAVE_SECONDS
    begun = False
    while time.monotonic() < deadline:
        if not begun:
            # A save that goes on already may lack what was written since it began.
            said = ask("BGSAVE")
            begun = said.startswith("Background saving started")
            if not begun and "already in progress" not in said:
                return False
        said = ask("INFO", "persistence")
        if begun and "rdb_bgsave_in_progress:0" in said:
            return "rdb_last_bgsave_status:ok" in said
        time.sleep(0.2)
    return False


@contextlib.contextmanager
def paused(containers: Sequence[str]) -> Iterator[Pause]:
    """The containers are paused inside the `with` block. A process of its own pauses them, and
    unpauses them as soon as this process ends, even by SIGKILL."""
    state = Pause(tuple(containers))
    if not containers:
        yield state
        return
    names = " ".join(containers)
    began = time.monotonic()
    guard = subprocess.Popen(
        ["sh", "-c", WAKE % WAKE_TRIES, "wake", *containers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        *said, code = _until_paused(guard)
        if code != "paused 0":
            last = said[-1] if said else "no reason given"
            raise BackupError(f"{names} cannot be paused ({last}); see that the engine runs")
        yield state
    finally:
        guard.communicate()
        state.seconds = time.monotonic() - began
    if guard.returncode:
        raise BackupError(
            f"the engine went away while {names} stood still; start it, then `docker unpause "
            f"{names}` and run again"
        )


def _until_paused(guard: subprocess.Popen[str]) -> list[str]:
    lines = [""]
    assert guard.stdout is not None
    while not lines[-1].startswith("paused ") and (line := guard.stdout.readline()):
        lines.append(line.strip())
    return lines[1:] or [""]
