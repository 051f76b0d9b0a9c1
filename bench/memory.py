"""Whether a coach's memory stays flat over 50 calls, blue and green.

`make bench NAME=memory` writes var/bench/memory.json. Memory is the sum over all processes of the
agent, each page that they share counted once, while nobody calls.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coaches import coaches
from figures import figure, write
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.suites import conversation

CALLS, AT_ONCE = 50, 5
WARM = 10  # calls after which what is loaded once has been
GROWTH_MB = 10.0  # from then to the last
SECONDS = 60.0
STEADY_SECONDS = 10.0  # longer than a process of blue's takes to end after its call
END_SECONDS = 120.0  # for processes that do not end: green's SDK kills them after 60 s


def main() -> None:
    figures: dict[str, Any] = {}
    for coach in coaches():
        held = asyncio.run(_calls(coach.server, coach.process.pid))
        figures |= _judged(coach.colour, held)
    write("memory", coach.versions, figures)


@dataclass(frozen=True)
class Held:
    """What an agent holds while nobody calls, after so many calls."""

    calls: int
    processes: int
    megabytes: float


async def _calls(server: Server, group: int) -> list[Held]:
    """Before the first call and after every AT_ONCE of them, when they are over."""
    held = []
    for done in range(0, CALLS + 1, AT_ONCE):
        if done:
            await asyncio.gather(*(_greeted(server) for _ in range(AT_ONCE)))
        # The first calls may leave a helper process of Python's, and no others another.
        wanted = held[-1].processes if done > WARM else None
        held.append(Held(done, await _steady(group, wanted), _megabytes(group)))
        print(f"  {held[-1]}", flush=True)
    return held


def _judged(colour: str, held: list[Held]) -> dict[str, Any]:
    """The last against the first that was warm."""
    warm, last = next(found for found in held if found.calls >= WARM), held[-1]
    return {
        f"{colour}_memory_after_{warm.calls}_calls": figure(warm.megabytes, "MB"),
        f"{colour}_memory_after_{last.calls}_calls": figure(last.megabytes, "MB"),
        f"{colour}_processes_more": figure(last.processes - warm.processes, "processes", 0.0),
        f"{colour}_growth": figure(last.megabytes - warm.megabytes, "MB", GROWTH_MB),
    }


async def _greeted(server: Server) -> None:
    call = Call(server, server.new_room("memory"), bed=False)
    try:
        await call.open()
        if await conversation.first_voice(call, call.opened, SECONDS) is None:
            sys.exit(f"no greeting in {call.room_name} within {SECONDS:.0f} s")
    finally:
        await call.close()


async def _steady(group: int, wanted: int | None) -> int:
    """How many processes there are, when that has not changed for STEADY_SECONDS.

    More than `wanted` are given END_SECONDS to end; those that do not are a finding.
    """
    deadline, since, seen = time.monotonic() + END_SECONDS, time.monotonic(), -1
    while time.monotonic() < deadline:
        now = len(list(_processes(group)))
        if now != seen:
            seen, since = now, time.monotonic()
        steady = time.monotonic() - since > STEADY_SECONDS
        if steady and (wanted is None or now <= wanted):
            return now
        await asyncio.sleep(0.2)
    return seen


def _processes(group: int) -> Iterator[Path]:
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, owner = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
        if int(owner) == group and state != "Z":
            yield stat.parent


def _megabytes(group: int) -> float:
    total = 0
    for process in _processes(group):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended while we looked
            for line in (process / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


if __name__ == "__main__":
    main()
