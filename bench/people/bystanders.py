"""Other people's calls: bystander.py's processes, and what they wrote down."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 60.0
END_SECONDS = 30.0
DEAF_SECONDS = 5.0
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bystander:
    """Somebody on the line, who writes down what they hear."""

    process: subprocess.Popen[bytes]
    out: Path

    def rtts(self, begin: float, end: float) -> list[float]:
        """Of what was said in that time, milliseconds."""
        return [e["rtt_ms"] for e in read(self.out) if begin <= e.get("said", -1.0) < end]

    def silence(self, begin: float, end: float) -> float:
        """The longest that touches that time, milliseconds; 0 when there was none."""
        told = [e for e in read(self.out) if "silence_ms" in e]
        here = [e for e in told if e["ended"] > begin and e["ended"] - e["silence_ms"] / 1e3 < end]
        return max((e["silence_ms"] for e in here), default=0.0)

    def why_lost(self) -> str | None:
        """What ended the call, or None while it goes on."""
        lines = read(self.out)
        for line in lines:
            if line.get("event") in ("lost", "agent_left"):
                return str(line["event"])
        if self.process.poll() is not None:
            return f"exit {self.process.returncode}"
        heard = max((e["t"] for e in lines if "rtt_ms" in e), default=0.0)
        deaf = time.monotonic() - heard
        return f"nothing came back for {deaf:.0f} s" if deaf > DEAF_SECONDS else None


@contextlib.contextmanager
def bystanders(count: int, url: str, keys: Path, folder: Path) -> Iterator[list[Bystander]]:
    """They join one after the other, and all are heard when this yields."""
    script = Path(__file__).with_name("bystander.py")
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(1, count + 1):
            out = folder / f"bystander-{number}.jsonl"
            command: list[str | Path] = [sys.executable, script, url, keys]
            command += [f"somebody-{secrets.token_hex(4)}", out]  # a room of its own each time
            found.append(Bystander(stack.enter_context(running(command)), out))
            deadline = time.monotonic() + ANSWER_SECONDS
            while not any("rtt_ms" in line for line in read(out)):
                if time.monotonic() > deadline or found[-1].process.poll() is not None:
                    raise SystemExit(f"bystander {number} is not answered: {read(out)}")
                time.sleep(0.2)
        yield found


def read(path: Path) -> list[Line]:
    """JSON lines; a last one that is still being written is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


@contextlib.contextmanager
def running(command: list[str | Path]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        end(process, signal.SIGTERM)


def end(process: subprocess.Popen[bytes], number: signal.Signals, *, group: bool = False) -> None:
    if process.poll() is not None:
        return
    (os.killpg if group else os.kill)(process.pid, number)
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
