"""A load probe climbs until a gate breaks twice, and tells the greatest number that held."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from releve.probe.host.usage import HostUsage, UsageMeter
from releve.probe.judgement import gates
from releve.probe.suites import load
from releve.probe.suites.callers import Stage

IDLE = HostUsage(0.2, 1_000_000_000)
JUDGES = gates.of("load")


def stage(calls: int, rtt_ms: float) -> Stage:
    spent = HostUsage(0.2 + 0.1 * calls, 1_000_000_000 + 50_000_000 * calls)
    return Stage(calls, 20 * calls, 20 * calls, [rtt_ms] * (20 * calls), [], spent, 0.01 * calls)


def climb(
    rtt_ms: Callable[[int, int], float], calls: int = 10, stages: int = 99
) -> tuple[list[int], dict[str, Any]]:
    """`rtt_ms` of (calls, how many stages there were): the stages' calls, and the probe object."""
    told: list[str] = []

    async def measure(wanted: int) -> Stage:
        return stage(wanted, rtt_ms(wanted, len(told)))

    over = lambda: len(told) >= stages  # noqa: E731
    ramp = asyncio.run(load.climb(measure, JUDGES, told.append, calls=calls, step=3, over=over))
    probe = load.probe_object("load", "green", ramp, IDLE, JUDGES, cpu_s=1.0)
    return [each.calls for each in ramp.stages], probe


def test_the_greatest_stage_that_held_is_told_and_why_the_next_did_not() -> None:
    stages, probe = climb(lambda calls, _: 150.0 if calls <= 6 else 250.0)
    assert stages == [3, 6, 9, 9]
    assert probe["passed"] is True, probe["reason"]
    assert probe["load"]["held"] == 6
    assert probe["load"]["broke"].startswith("at 9 calls: RTT p95 is 250 ms, below 200 ms")
    assert probe["rtt_ms"]["p95"] == 150.0
    assert (probe["sent"], probe["valid"]) == (120, 120)
    assert probe["cost"] == {"cpu_s": 1.0, "cores_per_call": 0.06}, "of that stage, not of the last"


def test_what_broke_once_is_looked_at_again() -> None:
    stages, probe = climb(lambda calls, before: 250.0 if before == 1 else 150.0, calls=7)
    assert stages == [3, 6, 6, 7]
    assert (probe["load"]["held"], probe["load"]["broke"]) == (7, None)


def test_no_calls_are_added_after_the_time_or_beyond_the_most() -> None:
    assert climb(lambda calls, _: 150.0, stages=2)[0] == [3, 6]
    assert climb(lambda calls, _: 150.0, calls=2)[0] == [2]
    assert climb(lambda calls, _: 150.0, stages=0)[0] == [3], "one stage at least"


def test_nothing_held_fails_by_the_figure_that_broke() -> None:
    stages, probe = climb(lambda calls, _: 250.0)
    assert stages == [3, 3]
    assert probe["passed"] is False
    assert probe["load"]["held"] == 0
    assert "concurrent calls held is 0, at least 1 is needed" in probe["reason"]
    assert "RTT p95 is 250 ms, below 200 ms is needed" in probe["reason"]
    assert probe["load"]["host_cores_per_call"] is None


def test_a_call_without_agent_breaks_its_stage() -> None:
    alone = stage(3, 150.0)
    alone.failures.append("no agent came within 10 s of opening releve-load-1")
    assert "no agent came" in str(load.why_broken(alone, JUDGES))


def test_chirps_that_were_never_said_count_as_not_heard() -> None:
    short = stage(3, 150.0)
    short.asked = 120
    assert "valid fraction of chirps is 0.5" in str(load.why_broken(short, JUDGES))


def test_the_host_spends_on_a_call_what_it_did_not_spend_without() -> None:
    _, probe = climb(lambda calls, _: 150.0 if calls <= 6 else 250.0)
    assert probe["load"]["host_cores_per_call"] == 0.1
    assert probe["load"]["host_memory_bytes_per_call"] == 50_000_000


def test_the_host_is_read_without_this_process() -> None:
    spent = UsageMeter().read()
    assert spent.memory_bytes > 0
