"""The role media_probe: what each suite is started with, how often, and what its gate says.

The role is the repository's; only what starts a container is replaced.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .ansible_play import played

ROOT = Path(__file__).parents[2]
# Stands in for releve_watched and releve_evidence: writes down, and ends as the play wants.
ACTION = """
import json, pathlib
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        home = pathlib.Path(task_vars["playbook_dir"])
        with (home / "seen").open("a") as seen:
            seen.write(json.dumps([self._task.action, self._task.args], default=str) + "\\n")
        if "args" not in self._task.args:
            return {}
        left = json.loads((home / "statuses").read_text())
        (home / "statuses").write_text(json.dumps(left[1:]))
        said = "waiting\\nRTT is too long; evidence: /record/probe.json"
        return {"status": (left or [0])[0], "container": {"Output": said}}
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars:
    stack: mine
    server_url: ws://server:7880
    releve_dir: /state
    releve_record: /state/record
    releve_keys: /state/keys
    releve_user: 10001
    talking_colours: []
    images_found: {releve: {id: sha-releve}, browser: {id: sha-browser}}
    stack_now:
      network: mine_default
      blue: {name: blue, memory_cgroup: /cgroup/blue}
      green: {name: green, memory_cgroup: /cgroup/green}
  tasks:
    - include_role: {name: media_probe, tasks_from: "{{ entry }}"}
"""


@dataclass
class Looked:
    """What the role did: containers by their command and image, files kept, how it ended."""

    containers: list[dict[str, Any]]
    kept: list[str]
    code: int
    said: str

    def commands(self) -> list[str]:
        return [" ".join(one["args"]["command"]) for one in self.containers]


def look(folder: Path, entry: str, statuses: list[int], **extra: object) -> Looked:
    """Play an entry of the role; each measurement ends with the next of the statuses, then 0."""
    (folder / "action").mkdir()
    for name in ("releve_watched", "releve_evidence"):
        (folder / "action" / f"{name}.py").write_text(ACTION)
    (folder / "play.yml").write_text(PLAY)
    (folder / "statuses").write_text(json.dumps(statuses))
    (folder / "seen").touch()
    done = played(
        folder,
        f"--extra-vars={json.dumps({'entry': entry} | extra)}",
        ANSIBLE_ACTION_PLUGINS=str(folder / "action"),
        ANSIBLE_ROLES_PATH=str(ROOT / "roles"),
    )
    seen = [json.loads(line) for line in (folder / "seen").read_text().splitlines()]
    return Looked(
        [args for action, args in seen if action == "releve_watched"],
        [args["name"] for action, args in seen if action == "releve_evidence"],
        done.returncode,
        " ".join(done.stdout.split()),
    )


GREEN = {"media_probe_colours": ["green"]}


@pytest.mark.parametrize(
    ("entry", "extra", "suite", "end"),
    [
        (
            "main",
            {"media_probe_limits": {"a": 1}},
            "echo",
            "--limit=a=1 --calls=2 --chirps=20 --floor",
        ),
        (
            "main",
            {"media_probe_judged": []},
            "echo",
            "--calls=2 --chirps=20 --gate=valid_fraction_min",
        ),
        ("main", {"talking_colours": ["green"]}, "conversation", "--calls=2"),
        ("compare", {}, "compare", "--beside=releve-blue --calls=2 --chirps=20"),
        ("connect", {}, "connect", "--row=5 --at-once=3"),
        ("network", {}, "network", "--cut=5"),
        ("app", {}, "app", "--chirps=20"),
        ("load", {"media_probe_load_calls": 4}, "load", "--calls=4 --seconds=300"),
    ],
)
def test_a_suite_is_started_with_its_settings(
    tmp_path: Path, entry: str, extra: dict[str, Any], suite: str, end: str
) -> None:
    found = look(tmp_path, entry, [], **GREEN | extra)
    out = f"probe-green-{suite}.json"
    assert found.code == 0, found.said
    assert found.commands() == [
        f"probe {suite} --url=ws://server:7880 --keys-file=/run/secrets/livekit_keys "
        f"--name={suite} --colour=green --out=/record/{out} --agent-name=releve-green {end}"
    ]
    (one,) = found.containers
    assert one["fresh"] == [f"/state/record/{out}"]
    assert one["args"]["name"] == "mine-probe-green"
    assert found.kept == [out]


def test_a_soak_reads_the_agents_memory_and_keeps_its_record(tmp_path: Path) -> None:
    found = look(tmp_path, "soak", [], **GREEN)
    (one,) = found.containers
    assert one["args"]["mounts"][-1] == {
        "type": "bind",
        "source": "/cgroup/green",
        "target": "/agent",
        "read_only": True,
    }
    assert found.kept == ["probe-green-soak.json", "soak-green.jsonl"]


def test_the_browser_is_another_image(tmp_path: Path) -> None:
    found = look(tmp_path, "app", [], **GREEN, media_probe_browser=True)
    assert [one["args"]["image"] for one in found.containers] == ["sha-releve", "sha-browser"]
    assert found.kept == ["probe-green-app.json", "probe-green-browser.json"]


@pytest.mark.parametrize(
    ("statuses", "names"),
    [
        ([0], ["compare"]),
        ([1, 0], ["compare", "compare-again"]),
        ([3, 3, 0], ["compare", "compare-again", "compare-look-3"]),
    ],
)
def test_a_failure_is_measured_once_more_and_no_answer_until_there_is_one(
    tmp_path: Path, statuses: list[int], names: list[str]
) -> None:
    found = look(tmp_path, "compare", statuses)
    assert found.code == 0, found.said
    assert found.kept == [f"probe-green-{name}.json" for name in names]
    chirps = [command.rpartition("--chirps=")[2] for command in found.commands()]
    assert chirps == ["20", "40", "40"][: len(names)]


@pytest.mark.parametrize(("statuses", "looks"), [([1, 1], 2), ([3, 3, 3], 3), ([1, 3, 1], 3)])
def test_a_gate_that_does_not_pass_says_the_probes_last_line(
    tmp_path: Path, statuses: list[int], looks: int
) -> None:
    found = look(tmp_path, "compare", statuses)
    assert found.code != 0
    assert len(found.containers) == looks
    assert "GATE no slower than blue: green" in found.said
    assert "RTT is too long; evidence: evidence/probe.json" in found.said
