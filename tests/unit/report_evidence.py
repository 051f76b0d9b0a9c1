"""Evidence of runs, made up the way the playbooks, the probes and the gateway write it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from releve.probe.judgement import gates

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


def connect(colour: str, passed: bool = True) -> dict[str, Any]:
    return {
        "name": "connect",
        "colour": colour,
        "sent": 8,
        "valid": 8 if passed else 7,
        "rtt_ms": None,
        "floor_rtt_ms": None,
        "longest_silence_ms": None,
        "gate": {"joined_fraction_min": 1.0, "join_s_max": 3.0},
        "passed": passed,
        "reason": None if passed else "no agent came within 10 s of opening releve-connect-1",
        "seconds": {"join": {"p50": 0.2, "p95": 0.31, "max": 0.4}},
        "cost": {"cpu_s": 0.6, "cores_per_call": 0.06},
        "calls": [{"room": "releve-connect-1", "how": "in a row", "connect_s": 0.2}],
    }


def echo_told_by_webrtc(colour: str) -> dict[str, Any]:
    heard = {"jitter_ms": 2.3, "packets": 900, "lost": 4}
    heard |= {"concealed_fraction": 0.0123, "concealments": 7}
    said = {"jitter_ms": 0.2, "packets": 910, "lost": 0}
    said |= {"concealed_fraction": None, "concealments": None}
    return probe(colour) | {"webrtc": {"heard": heard, "said": said}}


def soak(colour: str) -> dict[str, Any]:
    return probe(colour, name="soak") | {
        "drift_ms_per_min": {"slope": -0.2, "low": -0.9, "high": 0.4, "p": 0.43},
        "memory": {
            "first_bytes": 201_000_000,
            "last_bytes": 203_000_000,
            "mb_per_min": {"slope": 1.1, "low": 0.7, "high": 1.4, "p": 0.0002},
        },
        "gate": {"drift_ms_per_min_max": 1.0, "reconnects_max": 0.0},
    }


def network(colour: str) -> dict[str, Any]:
    told = {"TURN": "not offered", "no UDP": "prflx tcp, heard after 1.2 s"}
    return connect(colour) | {"name": "network", "seconds": None, "network": told}


def compare(slower_ms: float = 12.0) -> dict[str, Any]:
    """Green beside blue, by the gate as it stands."""
    limit = gates.of("compare")[0]
    gate = limit.judged({limit.metric: slower_ms})
    return probe("green", 168.0 + slower_ms, name="compare") | {
        "gate": {limit.key: limit.limit},
        "gates": [gate],
        "passed": gate["held"],
        "reason": limit.failure({limit.metric: slower_ms}),
        "compared": {
            "answer": "pass" if gate["held"] else "fail",
            "slower_ms": slower_ms,
            "low_ms": slower_ms - 8,
            "high_ms": slower_ms + 7,
            "rtt_ms": {"p50": 150.0, "p95": 168.0, "p99": 177.0},
            "failures": [],
            "calls": probe("blue", 168.0)["calls"],
        },
    }


def load(colour: str) -> dict[str, Any]:
    told = {"held": 6, "broke": "at 8 calls: RTT p95 is 231 ms, below 200 ms is needed"}
    told |= {"host_cores_per_call": 0.113, "host_memory_bytes_per_call": 64_200_000}
    return probe(colour, name="load") | {"load": told, "gate": {"calls_held_min": 1.0}}


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
