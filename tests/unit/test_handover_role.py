"""handover.yml's part in the role, against a stand-in of the gateway's admin API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .ansible_play import played
from .test_gateway_client import Standin, standin  # noqa: F401  (a fixture)

ROOT = Path(__file__).resolve().parents[2]
ROOM = {
    "room": "lesson-7",
    "to": "green",
    "state": "new",
    "why": "",
    "old": "agent-a",
    "new": "agent-b",
    "context": True,
    "overlap_ms": 41.2,
}
HANDOVER: dict[str, Any] = {
    "number": 1,
    "by": "run r1",
    "phase": "done",
    "why": "",
    "counts": {"new": 1},
    "rooms": [ROOM],
}


@pytest.fixture
def folder(tmp_path: Path, standin: Standin) -> Iterator[Path]:  # noqa: F811
    facts = {
        "releve_socket": str(standin.server_address),
        "releve_run_id": "r1",
        "releve_run_dir": str(tmp_path / "run"),
        "releve_reports": str(tmp_path),
        "stack": "e",
    }
    part = {"name": "dispatch_gateway", "tasks_from": "handover"}
    tasks = [{"ansible.builtin.include_role": part}]
    play = {"hosts": "all", "gather_facts": False, "vars": facts, "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    (tmp_path / "run").mkdir()
    yield tmp_path


def run(folder: Path, *options: str) -> tuple[int, str]:
    env = {
        "ANSIBLE_ROLES_PATH": str(ROOT / "roles"),
        "ANSIBLE_LIBRARY": str(ROOT / "plugins/modules"),
        "ANSIBLE_MODULE_UTILS": str(ROOT / "plugins/module_utils"),
        "ANSIBLE_ACTION_PLUGINS": str(ROOT / "plugins/action"),
    }
    done = played(folder, *options, **env)
    return done.returncode, done.stdout + done.stderr


def test_the_calls_of_a_colour_are_moved_and_told(folder: Path, standin: Standin) -> None:  # noqa: F811
    standin.answer(HANDOVER)
    code, output = run(folder, "-e", "colour=blue", "-e", "handover_every=0.5")
    assert code == 0, output
    assert standin.asked[0] == (
        "POST",
        "/handover",
        {
            "by": "run r1",
            "room": None,
            "colour": "blue",
            "every": 0.5,
            "at_once": 1,
            "context_seconds": 3.0,
            "without_context": False,
        },
    )
    assert "lesson-7: moved to green, both agents for 41.2 ms, with its context" in output
    assert "changed=1" in output
    assert json.loads((folder / "run/evidence/handover.json").read_text()) == HANDOVER


def test_a_call_that_keeps_its_agent_fails_the_run_with_its_reason(
    folder: Path,
    standin: Standin,  # noqa: F811
) -> None:
    stayed = ROOM | {"state": "old", "why": "the new agent did not come within 10 s"}
    standin.answer(HANDOVER | {"rooms": [stayed], "counts": {"old": 1}})
    code, output = run(folder, "-e", "room=lesson-7")
    assert code == 2
    assert "lesson-7: old: the new agent did not come within 10 s" in output
    assert "done (1 old)" in output


@pytest.mark.parametrize("options", [[], ["-e", "room=a", "-e", "colour=blue"]])
def test_one_of_both_has_to_be_named(
    folder: Path,
    standin: Standin,  # noqa: F811
    options: list[str],
) -> None:
    code, output = run(folder, *options)
    assert code == 2
    assert "name one room, or the colour" in output
    assert standin.asked == []


def test_check_mode_moves_nothing(folder: Path, standin: Standin) -> None:  # noqa: F811
    standin.answer([{"room": "lesson-7", "colour": None}])
    code, output = run(folder, "--check", "-e", "colour=blue")
    assert code == 0, output
    assert "changed=1" in output
    assert [(method, path) for method, path, _ in standin.asked] == [("GET", "/calls")]
