"""How heavily a run lies on the people who are talking: migrate.yml and rollback.yml on the demo.

`make bench NAME=weight` (after `make images`) writes var/bench/weight.json and, step by step,
var/bench/weight-steps.json. `python bench/weight.py --help`: more bystanders, a busy neighbour.
It makes the demo's stack anew and leaves it there.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import docker
import numpy as np

from figures import figure, keep, machine, write
from people.bystanders import Bystander, Line, bystanders, read
from releve.probe.judgement.record import summarise
from weighing.host import WHO, Host
from weighing.run import Run, Step, busy, play

STACK = "eloquence"
PROJECT = Path("/opt") / STACK
RECORD = Path("/var/lib/releve") / STACK / "record" / "sentinels.jsonl"
SETTLE = 5.0  # from the last bystander's first word to the time before the run
AROUND = 5.0  # before and after a moment that may fail: ten seconds in all
AFTER = AROUND + 11.0  # a room counts as without agent after ten seconds
MORE_MS, NEW_SILENCE_MS, FLIP_MS = 50.0, 500.0, 50.0
WARM_SECONDS, CALLERS_CORES, ROOMS = 120.0, 0.15, 12


def main() -> None:
    asked = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # it ends what it started then, too
    if play("playbooks/demo_up.yml").code:
        raise SystemExit("there is no demo to measure")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(_hang_up)
        url, keys = _server(folder)
        neighbours = stack.enter_context(busy(asked.busy))
        people = stack.enter_context(bystanders(asked.bystanders, url, keys, folder))
        host = stack.enter_context(Host(STACK, [p.process.pid for p in people], neighbours))
        time.sleep(SETTLE)
        began = time.monotonic()
        time.sleep(asked.before)
        before = Step("before", began, time.monotonic())
        migrate = play("migrate.yml")
        rollback = play("rollback.yml")
        time.sleep(AFTER)
        lost = [why for person in people if (why := person.why_lost())]
        record = read(RECORD) or rollback.evidence(RECORD.name) or migrate.evidence(RECORD.name)
        during = Step("during", migrate.whole.begin, rollback.whole.end)
        between = Step("between", migrate.whole.end, rollback.whole.begin)
        steps = [before, *migrate.steps(), between, *rollback.steps()]
        table = [_row(step, people, host) for step in steps if step.end - step.begin > 0.2]
        figures = {
            **_of_the_runs(migrate, rollback, asked),
            **_of_people(people, lost, before, during, asked),
            **_of_rooms(record, during, migrate, rollback, asked),
            **_of_the_host(host, before, during, asked),
        }
    _print(table)
    for run in (migrate, rollback):
        print(f"{run.whole.name}: {run.verdict}{f' · {run.reason}' if run.reason else ''}")
    for why in lost:
        print(f"a bystander's call is lost: {why}")
    versions = _versions(migrate, asked)
    verdicts = {run.whole.name: [run.verdict, run.reason] for run in (migrate, rollback)}
    report = {"machine": machine(versions), "verdicts": verdicts, "steps": table}
    keep(f"{asked.out}-steps", report)
    write(asked.out, versions, figures)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bystanders", type=int, default=1)
    parser.add_argument("--before", type=float, default=60.0, help="seconds to compare with")
    parser.add_argument("--busy", type=int, default=0, help="cores that somebody else keeps busy")
    parser.add_argument("--out", default="weight", help="var/bench/<this>.json")
    return parser.parse_args()


def _server(folder: Path) -> tuple[str, Path]:
    """The demo's URL, and a keys file for callers."""
    lines = (PROJECT / ".env").read_text(encoding="utf-8").splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line)
    keys = folder / "keys.yaml"
    keys.touch(mode=0o600)
    keys.write_text(f"{said['LIVEKIT_API_KEY']}: {said['LIVEKIT_API_SECRET']}\n")
    return f"ws://127.0.0.1:{said['SIGNAL_PORT']}", keys


def _hang_up() -> None:
    """The demo's sentinels stay on the line for minutes, and would weigh on the next bench."""
    with contextlib.suppress(docker.errors.NotFound):
        docker.from_env().containers.get(f"{STACK}-sentinels").stop(timeout=10)


def _limited(asked: argparse.Namespace) -> bool:
    """Whether people's limits hold: of one on the line, and nobody else at the machine."""
    return bool(asked.bystanders == 1 and not asked.busy)


def _of_the_runs(migrate: Run, rollback: Run, asked: argparse.Namespace) -> dict[str, Any]:
    may_wait = asked.busy and migrate.verdict == "waiting"
    strict = _limited(asked)
    took = {run.whole.name: run.whole.end - run.whole.begin for run in (migrate, rollback)}
    figures = {
        "migrate_passed": figure(migrate.code == 0, "", at_least=None if may_wait else 1),
        "rollback_passed": figure(rollback.code == 0, "", at_least=None if may_wait else 1),
        "migrate": figure(took["migrate"], "s", WARM_SECONDS if strict else None),
        "rollback": figure(took["rollback"], "s"),
    }
    for run in (migrate, rollback):
        if ms := (run.report.get("flip") or run.flip).get("ms"):
            figures[f"{run.whole.name}_flip"] = figure(ms, "ms", FLIP_MS if strict else None)
    return figures


def _of_people(
    people: list[Bystander], lost: list[str], before: Step, during: Step, asked: argparse.Namespace
) -> dict[str, Any]:
    rtts = {s.name: [ms for p in people for ms in p.rtts(s.begin, s.end)] for s in (before, during)}
    silence = {
        s.name: max((p.silence(s.begin, s.end) for p in people), default=0.0)
        for s in (before, during)
    }
    new = silence["during"] if silence["during"] > silence["before"] else 0.0
    said = 2 * (during.end - during.begin) * len(people)
    quiet, strict = _percentile(rtts["before"], 95), _limited(asked)
    return {
        "bystanders": figure(len(people), "calls"),
        "bystanders_calls_lost": figure(len(lost), "calls", 0),
        "rtt_before_p50": figure(_percentile(rtts["before"], 50), "ms"),
        "rtt_before_p95": figure(quiet, "ms"),
        "rtt_during_p50": figure(_percentile(rtts["during"], 50), "ms"),
        "rtt_during_p95": figure(
            _percentile(rtts["during"], 95), "ms", quiet + MORE_MS if strict else None
        ),
        "bursts_heard_again_during": figure(100 * len(rtts["during"]) / max(said, 1), "%"),
        "longest_silence_before": figure(silence["before"], "ms"),
        "longest_silence_during": figure(silence["during"], "ms"),
        "longest_new_silence": figure(new, "ms", NEW_SILENCE_MS if strict else None),
    }


def _of_rooms(
    record: list[Line], during: Step, migrate: Run, rollback: Run, asked: argparse.Namespace
) -> dict[str, Any]:
    calls = summarise(record, during.begin, during.end + AROUND)
    moments = _moments(migrate, rollback)
    opened = [e["t"] for e in record if e["event"] == "open" and e["kind"] == "arrival"]
    around = {name: {t for t in opened if abs(t - at) <= AROUND} for name, at in moments.items()}
    for name, rooms in around.items():
        print(f"rooms opened around {name}: {len(rooms)}")
    together = len(set().union(*around.values()))
    enough = None if asked.busy and migrate.verdict == "waiting" else ROOMS
    return {
        "held_calls": figure(calls["sentinels"], "calls"),
        "held_calls_longest_silence": figure(calls["longest_silence_ms"], "ms"),
        "calls_dropped": figure(calls["dropped"], "calls", 0),
        "rooms_opened": figure(calls["opened_during_run"], "rooms"),
        "rooms_without_agent": figure(calls["without_agent"], "rooms", 0),
        "rooms_with_two_agents": figure(calls["with_two_agents"], "rooms", 0),
        "rooms_at_moments_that_may_fail": figure(together, "rooms", at_least=enough),
    }


def _moments(migrate: Run, rollback: Run) -> dict[str, float]:
    """Adoption (its middle), each move of weights, the way back."""
    moments = {}
    for step in migrate.steps():
        for name in ("ADOPT", "ROLLBACK"):
            if step.name.endswith(name):
                moments[name] = (step.begin + step.end) / 2 if name == "ADOPT" else step.begin
    moments |= {f"step {number}": at for number, at in enumerate(migrate.moves, 1)}
    back = next((step.begin for step in rollback.steps() if "ROLLBACK" in step.name), None)
    if back is not None:
        moments["rollback.yml"] = rollback.flip.get("at", back)
    return moments


def _of_the_host(
    host: Host, before: Step, during: Step, asked: argparse.Namespace
) -> dict[str, Any]:
    busy_then = host.cores(before.begin, before.end)
    cores = host.cores(during.begin, during.end)
    limits = {"callers": CALLERS_CORES}
    return {
        "cores_before": figure(sum(busy_then.values()), "cores"),
        "cores_during": figure(sum(cores.values()), "cores"),
        **{f"cores_during_{who}": figure(cores[who], "cores", limits.get(who)) for who in WHO},
        "memory_before": figure(host.memory(before.begin, before.end) / 1e6, "MB"),
        "memory_during": figure(host.memory(during.begin, during.end) / 1e6, "MB"),
    }


def _row(step: Step, people: list[Bystander], host: Host) -> dict[str, Any]:
    rtts = [ms for person in people for ms in person.rtts(step.begin, step.end)]
    cores = host.cores(step.begin, step.end)
    return {
        "step": step.name,
        "seconds": round(step.end - step.begin, 1),
        "cores": {who: round(share, 2) for who, share in cores.items()},
        "rtt_p95_ms": round(_percentile(rtts, 95)) if rtts else None,
        "silence_ms": round(max((p.silence(step.begin, step.end) for p in people), default=0.0)),
        "memory_mb": round(host.memory(step.begin, step.end) / 1e6),
    }


def _print(table: list[dict[str, Any]]) -> None:
    heads = [*WHO, "p95 ms", "silence", "MB"]
    print(f"{'':24}{'s':>7}", *(f"{head:>8}" for head in heads))
    for row in table:
        p95 = "-" if row["rtt_p95_ms"] is None else row["rtt_p95_ms"]
        values = [*row["cores"].values(), p95, row["silence_ms"], row["memory_mb"]]
        print(f"{row['step']:24}{row['seconds']:7.1f}", *(f"{value:>8}" for value in values))


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else 0.0


def _versions(migrate: Run, asked: argparse.Namespace) -> str:
    server = ((migrate.report.get("versions") or {}).get("server") or {}).get("running")
    return f"LiveKit Server {server}, {asked.bystanders} bystanders, {asked.busy} cores busy beside"


if __name__ == "__main__":
    main()
