"""Evidence of runs, made up the way the playbooks, the probes and the gateway write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# The target's clock and the control node's differ, as they do on two machines.
TARGET, CONTROL = 50_000.0, 900.0
STEPS = (
    ("(1/5) PREFLIGHT: what is running is known", 6.0, "ok"),
    ("(2/5) GATEWAY: the dispatch gateway stands before the agents", 8.5, "changed"),
    ("(3/5) GREEN: the new agent is dark and answers its probe", 20.0, "changed"),
    ("(4/5) FLIP: new calls go to green", 0.6, "changed"),
    ("(5/5) BAKE: the calls are watched", 25.0, "ok"),
)


def run_dir(home: Path, verb: str = "migrate") -> Path:
    """An empty run: the directory and nothing in evidence/."""
    path = home / f"20250601T101500Z-{verb}-0a1b"
    (path / "evidence").mkdir(parents=True)
    return path


def put(run: Path, name: str, content: Any) -> None:
    """Write one evidence file: .jsonl from a list of lines, .json from anything."""
    path = run / "evidence" / name
    if name.endswith(".jsonl"):
        path.write_text("".join(json.dumps(line) + "\n" for line in content))
    else:
        path.write_text(json.dumps(content))


def probe(colour: str, p95: float = 178.0, name: str = "echo") -> dict[str, Any]:
    passed = p95 < 200
    return {
        "name": name,
        "colour": colour,
        "sent": 40,
        "valid": 40,
        "rtt_ms": {"p50": p95 - 18, "p95": p95, "p99": p95 + 9},
        "floor_rtt_ms": 103.2,
        "longest_silence_ms": 62.0,
        "gate": {"valid_fraction_min": 0.95, "rtt_p95_ms_max": 200},
        "passed": passed,
        "reason": None if passed else f"RTT p95 is {p95:g} ms, below 200 ms is needed",
        "calls": [
            {
                "room": f"probe-{call}",
                "connect_s": 0.2,
                "rtts_ms": [p95 - 25 + i for i in range(20)],
            }
            for call in range(2)
        ],
    }


def sentinels(seconds: float, silence_ms: float | None = None) -> list[dict[str, Any]]:
    """Three held calls over the whole run and an arrival of 6 s every 2 s, all well."""
    events: list[dict[str, Any]] = [{"t": TARGET - 5, "event": "started", "calls": 3, "every": 2.0}]
    for n in range(3):
        events.append({"t": TARGET - 5, "event": "open", "call": f"held-{n}", "kind": "held"})
        events.append({"t": TARGET - 4, "event": "agent", "call": f"held-{n}", "identity": "agent"})
        for second in range(int(seconds)):
            events.append(
                {"t": TARGET + second, "event": "rtt", "call": f"held-{n}", "ms": [150.0 + 7 * n]}
            )
    for n in range(int(seconds / 2) - 3):
        at, room = TARGET + 2 * n + 0.5, f"arrival-{n}"
        events.append({"t": at, "event": "open", "call": room, "kind": "arrival"})
        events.append({"t": at + 0.7, "event": "agent", "call": room, "identity": "agent"})
        events.append({"t": at + 6, "event": "closed", "call": room})
    if silence_ms is not None:
        events.append({"t": TARGET + 30, "event": "silence", "call": "held-1", "ms": silence_ms})
    return sorted(events, key=lambda event: event["t"])


def passing(home: Path) -> Path:
    """A migration that went well on a substitute server: every kind of evidence is there."""
    run = run_dir(home)
    started = {"started": "2025-06-01T10:15:00Z", "monotonic": TARGET, "control_monotonic": CONTROL}
    put(run, "run.json", {"id": run.name, "verb": "migrate", **started})
    at, lines = CONTROL + 0.5, []
    for name, seconds, outcome in STEPS:
        lines.append({"name": name, "started": at, "seconds": seconds, "outcome": outcome})
        at += seconds
    put(run, "steps.jsonl", lines)
    end = {"verdict": "pass", "reason": None, "seconds": 62.4, "monotonic": TARGET + 61.5}
    put(run, "end.json", end)
    put(
        run,
        "versions.json",
        {
            "server": {"wanted": "v1.9.0", "running": "v1.8.4", "substitute": True},
            "blue": {"livekit": "0.11.1", "livekit-agents": "0.7.2", "livekit-api": "0.5.1"},
            "green": {"livekit": "1.0.10", "livekit-agents": "1.1.3"},
        },
    )
    put(run, "probe-blue.json", probe("blue", 168.0))
    put(run, "probe-green.json", probe("green"))
    put(run, "sentinels.jsonl", sentinels(61))
    put(run, "flip.json", {"ms": 0.42, "count": 1, "at": TARGET + 35.4})
    put(
        run,
        "backup.json",
        {
            "snapshot": "9f1c2ab34d5e6f70",
            "bytes": 325_000_000,
            "added_bytes": 1_200_000,
            "seconds": 8.5,
            "verified": True,
        },
    )
    jobs = [
        {
            "job": f"job-{n}",
            "room": f"arrival-{n}",
            "colour": "blue" if n < 18 else "green",
            "worker": "w",
            "state": "ended",
            "started": TARGET + 2 * n + 0.6,
            "ended": TARGET + 2 * n + 6.5,
        }
        for n in range(4, 27)
    ]
    put(run, "jobs.json", jobs)
    return run


def rolled_back(home: Path) -> Path:
    """A migration whose green answers too late: the gate fails and blue stays."""
    run = passing(home)
    (run / "evidence" / "flip.json").unlink()
    slow = probe("green", 231.0)
    put(run, "probe-green.json", slow)
    put(
        run,
        "end.json",
        {
            "verdict": "rolled_back",
            "reason": slow["reason"],
            "seconds": 38.0,
            "monotonic": None,
            "control_monotonic": CONTROL + 37.5,
        },
    )
    lines = [
        {"name": name, "started": CONTROL + 7.5 * n, "seconds": seconds, "outcome": outcome}
        for n, (name, seconds, outcome) in enumerate(STEPS[:3])
    ]
    lines[-1]["outcome"] = "failed"
    back = {"name": "(5/5) ROLLBACK: new calls go to blue", "seconds": 2.31, "outcome": "ok"}
    put(run, "steps.jsonl", [*lines, {**back, "started": CONTROL + 30}])
    put(
        run,
        "failures.jsonl",
        [
            {
                "step": STEPS[2][0],
                "task": "media_probe : the gate holds",
                "host": "demo",
                "message": slow["reason"],
                "rescued": False,
            }
        ],
    )
    return run
