"""Where a held call's delay piles up, and when it goes away again.

`make bench NAME=stall` writes var/bench/stall.json: one echo call of a plain SDK on a bare server;
agent, caller or server is stopped for some time, some times. `--help` names the settings.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import figure, write
from people.bystanders import Bystander, Line, bystanders, read

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from integration import harness  # noqa: E402

SETTLED = 6.0  # seconds in which the figures before are taken
WATCHED = 90.0  # after the last stall
BACK_MS, STEADY = 20.0, 4  # back: so many bursts in a row no further from before
LATE = 1.0  # after a burst was said until it is written down, at the longest


@dataclass(frozen=True, slots=True)
class Watched:
    """One call from its start to its end; times are time.monotonic()."""

    stalls: list[float]  # their beginnings
    last: float  # the last one's end
    rtts: list[tuple[float, float]]  # (said, ms)
    caller: list[Line]  # jitter buffers, a line a second
    agent: list[Line]

    @property
    def first(self) -> float:
        return self.stalls[0]

    def figures(self, name: str) -> dict[str, Any]:
        settled = self.first - SETTLED
        before = self._median(self.first, SETTLED)
        back = self.back(before)
        left = statistics.median(ms for _, ms in self.rtts[-2 * STEADY :])
        found = {
            "rtt_before": figure(before, "ms"),
            "rtt_worst": figure(max(ms for at, ms in self.rtts if at > self.first), "ms"),
            "rtt_before_the_last_stall": figure(self._median(self.stalls[-1], 2.0), "ms"),
            "rtt_at_the_end": figure(left, "ms"),
            "rtt_back_after": figure(back - self.last, "s")
            if back
            else figure(self.rtts[-1][0] - self.last, "s, and not back"),
        }
        for whose, lines in (("caller", self.caller), ("agent", self.agent)):
            for what in ("buffer_ms", "target_ms"):
                then = [e[what] for e in lines if settled < e["t"] < self.first]
                since = [e[what] for e in lines if e["t"] > self.first]
                if then and since:
                    key = f"{whose}_{what.removesuffix('_ms')}"
                    found[f"{key}_before"] = figure(statistics.median(then), "ms")
                    found[f"{key}_worst"] = figure(max(since), "ms")
                    found[f"{key}_at_the_end"] = figure(statistics.median(since[-3:]), "ms")
        return {f"{name}_{what}": value for what, value in found.items()}

    def _median(self, until: float, seconds: float) -> float:
        return statistics.median(ms for at, ms in self.rtts if until - seconds < at < until)

    def back(self, before: float) -> float | None:
        """When the first of STEADY bursts in a row was said that came back as soon as before."""
        since = [(at, abs(ms - before) <= BACK_MS) for at, ms in self.rtts if at > self.last]
        for number, (at, _) in enumerate(since[: len(since) - STEADY + 1]):
            if all(well for _, well in since[number : number + STEADY]):
                return at
        return None


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends what it started then, too
    figures: dict[str, Any] = {}
    for colour in asked.colours:
        for victim in asked.victims:
            with tempfile.TemporaryDirectory() as folder:
                watched = _watch(colour, victim, asked, Path(folder))
            found = watched.figures(f"{colour}_{victim}")
            print(f"{colour}_{victim}", {k: v["value"] for k, v in found.items()}, flush=True)
            figures |= found
    stalls = f"{asked.times} stalls of {asked.milliseconds} ms, {asked.every:g} s apart"
    stalls += f", in a call of {asked.before:g} s"
    write(asked.out, f"a plain SDK 1.0.10, {stalls}", figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--colours", nargs="+", default=["blue", "green"])
    parser.add_argument("--victims", nargs="+", default=["agent", "caller", "server"])
    parser.add_argument("--milliseconds", type=int, default=400)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--every", type=float, default=3.0, help="seconds")
    # Until a call is a minute old its jitter buffers learn faster than afterwards.
    parser.add_argument("--before", type=float, default=12.0, help="seconds until the first")
    parser.add_argument("--out", default="stall", help="var/bench/<this>.json")
    return parser.parse_args()


def _watch(colour: str, victim: str, asked: argparse.Namespace, folder: Path) -> Watched:
    statistics_file = folder / "agent.jsonl"
    script = Path(__file__).parent / "people" / "stall_agent.py" if colour == "blue" else None
    with harness.running_server(folder) as server:
        agent = harness.start_agent(
            colour,
            server.url,
            server.keys,
            folder / "agent.out",
            script,
            STATISTICS=str(statistics_file),
        )
        try:
            with bystanders(1, server.url, server.keys_file, folder) as (caller,):
                groups = {
                    "agent": agent.pid,
                    "caller": caller.process.pid,
                    "server": server.process.pid,
                }
                time.sleep(asked.before)
                stalls = [time.monotonic() + number * asked.every for number in range(asked.times)]
                for begin in stalls:
                    time.sleep(max(0.0, begin - time.monotonic()))
                    _stop(groups[victim], asked.milliseconds / 1000)
                last = time.monotonic()
                _await_back(caller, stalls, last)
        finally:
            agent.stop()
    lines = read(caller.out)
    return Watched(
        stalls, last, _rtts(lines), [e for e in lines if "buffer_ms" in e], read(statistics_file)
    )


def _stop(group: int, seconds: float) -> None:
    os.killpg(group, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.killpg(group, signal.SIGCONT)


def _await_back(caller: Bystander, stalls: list[float], last: float) -> None:
    before = statistics.median(caller.rtts(stalls[0] - SETTLED, stalls[0]))
    while time.monotonic() < last + WATCHED:
        time.sleep(1)
        if Watched(stalls, last, _rtts(read(caller.out)), [], []).back(before):
            break
    time.sleep(LATE)


def _rtts(lines: list[Line]) -> list[tuple[float, float]]:
    return sorted((e["said"], e["rtt_ms"]) for e in lines if "rtt_ms" in e)


if __name__ == "__main__":
    main()
