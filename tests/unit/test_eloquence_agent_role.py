"""The role eloquence_agent: how many containers a release has, and which are never removed.

The role is the repository's; only the modules that ask engine and gateway are replaced.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .ansible_play import played

ROOT = Path(__file__).parents[2]
ACTION = """
import json, pathlib
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        home = pathlib.Path(task_vars["playbook_dir"])
        with (home / "seen").open("a") as seen:
            seen.write(json.dumps([self._task.action, self._task.args], default=str) + "\\n")
        if "calls" in self._task.args:
            return {"calls": task_vars["calls"], "jobs": []}
        return {"differs": True, "replaces": False}
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars_files: DEFAULTS
  vars:
    eloquence_agent_image_id: ""
    stack_weights: {blue: 100, green: 0}
    stack_gateway: {state: {}}
    calls: []
  tasks:
    - include_role: {name: eloquence_agent}
"""


def run(folder: Path, **extra: Any) -> tuple[list[tuple[str, Any]], str]:
    """Each container that is started, in order, with what is waited for; and what was said."""
    (folder / "action").mkdir()
    for name in ("releve_release", "releve_gateway_info"):
        (folder / "action" / f"{name}.py").write_text(ACTION)
    defaults = str(ROOT / "roles/stack/defaults/main.yml")
    (folder / "play.yml").write_text(PLAY.replace("DEFAULTS", defaults))
    (folder / "seen").touch()
    done = played(
        folder,
        f"--extra-vars={json.dumps({'stack': 'mine', 'releve_socket': '/s'} | extra)}",
        ANSIBLE_ACTION_PLUGINS=str(folder / "action"),
        ANSIBLE_ROLES_PATH=str(ROOT / "roles"),
    )
    seen = [json.loads(line) for line in (folder / "seen").read_text().splitlines()]
    started = [
        (str(args["container"]), args["count"])
        for action, args in seen
        if action == "releve_gateway_info" and "count" in args
    ]
    return started, " ".join(done.stdout.split())


def now(blues: int, greens: list[str], network: str = "mine_default") -> dict[str, Any]:
    blue = {"id": "b", "packages": {}}
    return {"network": network, "blue": blue, "blues": [blue] * blues, "ours": {"green": greens}}


@pytest.mark.parametrize(
    ("blues", "release", "names"),
    [
        (1, {}, ["mine-agent-green"]),
        (3, {}, ["mine-agent-green", "mine-agent-green-2", "mine-agent-green-3"]),
        (3, {"replicas": 2}, ["mine-agent-green", "mine-agent-green-2"]),
    ],
)
def test_green_is_as_many_as_blue_unless_the_release_says_how_many(
    tmp_path: Path, blues: int, release: dict[str, Any], names: list[str]
) -> None:
    started, said = run(tmp_path, stack_now=now(blues, []), release=release)
    assert started == [(name, number) for number, name in enumerate(names, 1)], said


def test_a_replica_that_may_hold_calls_is_not_removed(tmp_path: Path) -> None:
    started, said = run(
        tmp_path,
        stack_now=now(1, ["mine-agent-green", "mine-agent-green-2"]),
        release={},
        calls=[{"colour": "green"}],
    )
    assert started == []
    assert "mine-agent-green is in service or holds calls, with another release" in said


def test_on_the_hosts_network_green_registers_on_loopback(tmp_path: Path) -> None:
    run(tmp_path, stack_now=now(1, [], "host"), release={})
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    urls = {args["gateway_url"] for action, args in seen if action == "releve_release"}
    assert urls == {"ws://127.0.0.1:7891"}
