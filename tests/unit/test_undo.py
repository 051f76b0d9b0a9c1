"""What a run that failed does: it goes back, and removes only what nobody needs.

The tasks are the repository's; what reaches an engine or a gateway is replaced.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .ansible_play import played

ROOT = Path(__file__).parents[2]
# Stands in for modules: writes down what it is asked, and answers as the play says.
ACTION = """
import json, pathlib
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        home = pathlib.Path(task_vars["playbook_dir"])
        with (home / "seen").open("a") as seen:
            seen.write(json.dumps([self._task.action, self._task.args], default=str) + "\\n")
        return task_vars["answers"].get(self._task.action.rpartition(".")[2], {"changed": False})
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    stack: mine
    releve_socket: /run/admin.sock
    releve_run_id: run-1
    rollout_name: mine-rollout
    releve_verb: migrate
    releve_from: blue
    releve_to: green
    releve_weights_found: {blue: 100, green: 0}
  tasks:
    - include_tasks: UNDO
    - debug: {msg: "NEXT {{ releve_next | default('') }}"}
"""
BACK = {"changed": True, "before": {"blue": 0, "green": 100}, "flips": 2}
UNSERVED = BACK | {"failed": True, "msg": "no uncordoned worker of blue is connected"}
NO_GATEWAY = {"failed": True, "msg": "no gateway at /run/admin.sock: is its container running?"}
EMPTY: dict[str, Any] = {"calls": [], "jobs": []}
IN_A_CALL: dict[str, Any] = {"calls": [{"colour": "green"}], "jobs": []}


@dataclass
class Undone:
    """What was asked for, and what the operator was told."""

    code: int
    asked: list[tuple[str, dict[str, Any]]]
    output: str

    def of(self, module: str) -> list[dict[str, Any]]:
        return [args for name, args in self.asked if name.endswith(module)]

    @property
    def removed(self) -> set[str]:
        return {args["name"] for args in self.of("docker_container")}


def undo(folder: Path, **facts: object) -> Undone:
    actions = folder / "action"
    docker = folder / "collections/ansible_collections/community/docker/plugins"
    for path in (
        *(actions / f"{name}.py" for name in ("releve_go_back", "releve_gateway_info")),
        *(actions / f"{name}.py" for name in ("releve_evidence",)),
        docker / "action/docker_container.py",
        docker / "modules/docker_container.py",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(ACTION)
    moment = folder / "roles/media_probe/tasks/sentinels_moment.yml"
    moment.parent.mkdir(parents=True)
    moment.write_text("[]")
    (folder / "play.yml").write_text(PLAY.replace("UNDO", str(ROOT / "playbooks/tasks/undo.yml")))
    (folder / "seen").touch()
    first = f"mine-agent-{facts.get('releve_to', 'green')}"
    engine = folder / "bin/docker"
    engine.parent.mkdir()
    engine.write_text(f"#!/bin/sh\ntest $1 != ps || printf '%s\\n' {first} {first}-2\n")
    engine.chmod(0o755)
    given = {"stack_adopted": True, "migration_needed": True} | facts
    done = played(
        folder,
        f"--extra-vars={json.dumps(given)}",
        ANSIBLE_ACTION_PLUGINS=str(actions),
        ANSIBLE_COLLECTIONS_PATH=str(folder / "collections"),
        ANSIBLE_ROLES_PATH=str(folder / "roles"),
        PATH=f"{engine.parent}:{os.environ['PATH']}",
    )
    seen = [json.loads(line) for line in (folder / "seen").read_text().splitlines()]
    return Undone(
        done.returncode,
        [(name, args) for name, args in seen],
        " ".join((done.stdout + done.stderr).split()),
    )


def test_a_run_that_failed_goes_back_to_the_weights_it_found(tmp_path: Path) -> None:
    done = undo(tmp_path, answers={"releve_go_back": BACK, "releve_gateway_info": EMPTY})
    assert done.code == 0, done.output
    (asked,) = done.of("releve_go_back")
    assert (asked["weights"], asked["by"]) == ({"blue": 100, "green": 0}, "run-1")
    assert done.removed == {"mine-rollout", "mine-agent-green", "mine-agent-green-2"}
    assert "NEXT new rooms go where they went before (blue 100, green 0); mend it" in done.output


def test_a_green_that_stands_in_for_a_missing_blue_stays(tmp_path: Path) -> None:
    done = undo(tmp_path, answers={"releve_go_back": UNSERVED, "releve_gateway_info": EMPTY})
    assert done.code == 0, done.output
    assert done.removed == {"mine-rollout"}
    assert "NEXT no uncordoned worker of blue is connected. mend it" in done.output


@pytest.mark.parametrize("said", [IN_A_CALL, {"failed": True, "msg": "no answer"}])
def test_a_green_of_which_the_server_lists_an_agent_or_does_not_answer_stays(
    tmp_path: Path, said: dict[str, Any]
) -> None:
    done = undo(tmp_path, answers={"releve_go_back": BACK, "releve_gateway_info": said})
    assert (done.code, done.removed) == (0, {"mine-rollout"}), done.output


def test_nothing_is_decided_for_a_blue_that_is_still_at_the_server_itself(tmp_path: Path) -> None:
    answers = {"releve_go_back": UNSERVED, "releve_gateway_info": EMPTY}
    done = undo(tmp_path, stack_adopted=False, answers=answers)
    assert done.code == 0, done.output
    assert done.of("releve_go_back") == []


@pytest.mark.parametrize(
    ("answer", "code"), [(NO_GATEWAY, 0), ({"failed": True, "msg": "it does not answer"}, 2)]
)
def test_no_gateway_yet_is_no_failure_and_one_that_does_not_answer_is(
    tmp_path: Path, answer: dict[str, Any], code: int
) -> None:
    done = undo(tmp_path, answers={"releve_go_back": answer, "releve_gateway_info": NO_GATEWAY})
    assert done.code == code, done.output


def test_a_deployment_goes_back_to_whichever_colour_it_came_from(tmp_path: Path) -> None:
    done = undo(
        tmp_path,
        releve_verb="deploy",
        releve_from="green",
        releve_to="blue",
        stack_adopted=True,
        releve_weights_found={"blue": 0, "green": 100},
        answers={"releve_go_back": BACK, "releve_gateway_info": EMPTY},
    )
    assert done.code == 0, done.output
    assert done.of("releve_go_back")[0]["weights"] == {"blue": 0, "green": 100}
    assert done.removed == {"mine-rollout", "mine-agent-blue", "mine-agent-blue-2"}
    assert "playbooks/deploy.yml" in done.output
