"""What weight.py runs: playbooks, and a neighbour who keeps processors busy."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from people.bystanders import Line, end, read, running

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "var" / "reports"
LOGS = ROOT / "var" / "bench"


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the time, on time.monotonic(): one clock, because target and control are one."""

    name: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True)
class Run:
    """A playbook's run, and what it left. Without a folder nothing is known but the exit code."""

    code: int
    whole: Step
    folder: Path | None

    @property
    def report(self) -> Line:
        return (self._json("report.json") if self.folder else None) or {}

    @property
    def verdict(self) -> str:
        verdict = (self.report.get("run") or {}).get("verdict")
        return str(verdict or f"exit {self.code}")

    @property
    def reason(self) -> str | None:
        reason: str | None = (self.report.get("run") or {}).get("reason")
        return reason

    @property
    def flip(self) -> Line:
        """The last flip: `ms`, and `at`, when it was."""
        return self._json("evidence/flip.json") or {}

    @property
    def moves(self) -> list[float]:
        """When the rollout moved the weights, on the host's monotonic clock."""
        told = (self._json("evidence/rollout.json") or {}).get("journal", [])
        return [entry["t"] for entry in told if entry["event"] == "moved"]

    def evidence(self, name: str) -> list[Line]:
        """The lines of that file, none when it is not there."""
        return read(self.folder / "evidence" / name) if self.folder else []

    def steps(self) -> list[Step]:
        """All of the run's time: its steps, and what is before, between and behind them."""
        steps, at = [], self.whole.begin
        for line in self.evidence("steps.jsonl"):
            begin, end = line["started"], line["started"] + line["seconds"]
            if begin - at > 0.5:
                steps.append(Step(f"{self.whole.name}: Ansible", at, begin))
            title = line["name"].split(":")[0]
            steps.append(Step(title, begin, end))
            at = end
        if self.whole.end - at > 0.5:
            steps.append(Step(f"{self.whole.name}: Ansible", at, self.whole.end))
        return steps

    def _json(self, name: str) -> Line | None:
        path = self.folder / name if self.folder else None
        return json.loads(path.read_text()) if path and path.exists() else None


def play(name: str) -> Run:
    """Run a playbook to its end, its output in var/bench. Interrupted it is, too, and awaited."""
    before = _latest()
    log = LOGS / f"weight-{Path(name).stem}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    tools = Path(sys.executable).parent
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    begin = time.monotonic()
    with log.open("w") as out:
        process = subprocess.Popen(
            ["ansible-playbook", name],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
        try:
            code = process.wait()
        finally:
            end(process, signal.SIGINT, group=True)
    whole = Step(Path(name).stem, begin, time.monotonic())
    last = log.read_text().rstrip().rpartition("\n")[2]
    print(f"{name}: exit {code} after {whole.end - begin:.1f} s · {last}", flush=True)
    now = _latest()
    return Run(code, whole, now if now != before else None)


def _latest() -> Path | None:
    latest = REPORTS / "latest"
    return latest.resolve() if latest.exists() else None


@contextlib.contextmanager
def busy(count: int) -> Iterator[list[int]]:
    """Processes that each take a core as anybody else's would. Their ids."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(running([sys.executable, "-c", "while True: pass"])).pid
            for _ in range(count)
        ]
