"""What a run's calls cost is said before it begins, and refused where it is too much."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner, Result

from releve.probe.cli import app
from releve.probe.judgement import budget

ASKED = budget.Asked(
    kind="talks",
    green="talks",
    held=1,
    before=60,
    canary=60,
    bake=300,
    every=20,
    turn_seconds=20,
    probe_calls=2,
    conversation_calls=2,
    compare_calls=2,
    compare_turns=3,
)


def run(*more: str, kind: str = "talks") -> Result:
    return CliRunner().invoke(app, ["budget", f"--kind={kind}", f"--green={kind}", *more])


def test_turns_are_those_of_held_calls_and_of_probes() -> None:
    found = budget.cost(ASKED)
    assert found.seconds == 60 + budget.STEPS_SECONDS + 60 + 300
    # Three at once, then one every 20 s of the other 570.
    assert found.held_turns == 3 + 29
    assert found.turns == found.held_turns + 2 + 2 * 2 * 3
    assert budget.cost(replace(ASKED, held=3)).held_turns == 3 * found.held_turns
    assert budget.cost(replace(ASKED, turn_seconds=120)).held_turns == 3 + 5


def test_an_echo_and_a_listener_cost_no_turn() -> None:
    for kind in ("echo", "listens"):
        assert budget.cost(replace(ASKED, kind=kind, green=kind)).turns == 0


def test_rooms_are_held_calls_a_pulse_bursts_and_probes() -> None:
    found = budget.cost(ASKED)
    assert found.rooms == 1 + 27 + 9 + found.probe_rooms
    assert budget.cost(replace(ASKED, every=60)).rooms == found.rooms - 18
    # Two colours that differ are not compared.
    assert budget.cost(replace(ASKED, kind="echo")).probe_rooms == found.probe_rooms - 4


def test_the_sentence_has_all_and_a_minute() -> None:
    done = run("--calls=1")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert f"opens about {found['rooms']} rooms (" in done.stderr
    assert f"says about {found['turns']} sentences" in done.stderr
    assert "in some 10 minutes" in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--most-turns=10",), "46 sentences, `probe_budget.turns` allows 10: raise it, or"),
        (("--most-rooms=10",), "45 rooms, `probe_budget.rooms` allows 10: raise it, or"),
    ],
)
def test_a_run_beyond_its_budget_is_refused_with_what_to_change(
    more: tuple[str, ...], said: str
) -> None:
    done = run("--calls=1", *more)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_budget_that_is_kept_is_no_failure() -> None:
    assert run("--calls=1", "--most-turns=46", "--most-rooms=45").exit_code == 0


def test_what_is_no_kind_is_exit_2() -> None:
    assert run(kind="sings").exit_code == 2
    assert run("--calls=many").exit_code == 2
