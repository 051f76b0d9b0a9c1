"""The role media_probe: what each suite is started with, how often, and what its gate says.

The role is the repository's; only what starts a container is replaced.
"""

from __future__ import annotations

import json
import sys
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
    server_ca: ""
    releve_dir: /state
    releve_record: /state/record
    releve_keys: /state/keys
    releve_user: 10001
    agent_name: ""
    releve_from: blue
    releve_to: green
    agent_kinds: {blue: echo, green: echo}
    probe_caller: {}
    probe_budget: {}
    images_found: {releve: {id: sha-releve}, browser: {id: sha-browser}}
    stack_now:
      network: mine_default
      sentinels: null
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
        ("main", {"agent_kinds": {"green": "talks"}}, "conversation", "--calls=2"),
        ("main", {"agent_kinds": {"green": "listens"}}, "kind", "--expect=listens"),
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
        ([0], ["echo"]),
        ([1, 0], ["echo", "echo-again"]),
        ([3, 3, 0], ["echo", "echo-again", "echo-look-3"]),
    ],
)
def test_a_failure_is_measured_once_more_and_no_answer_until_there_is_one(
    tmp_path: Path, statuses: list[int], names: list[str]
) -> None:
    found = look(tmp_path, "main", statuses, **GREEN)
    assert found.code == 0, found.said
    assert found.kept == [f"probe-green-{name}.json" for name in names]


@pytest.mark.parametrize(("statuses", "looks"), [([1, 1], 2), ([3, 3, 3], 3), ([1, 3, 1], 3)])
def test_a_gate_that_does_not_pass_says_the_probes_last_line(
    tmp_path: Path, statuses: list[int], looks: int
) -> None:
    found = look(tmp_path, "main", statuses, **GREEN)
    assert found.code != 0
    assert len(found.containers) == looks
    assert "GATE " in found.said
    assert "RTT is too long; evidence: evidence/probe.json" in found.said


CALLER = {"room": "acme-{id}", "dispatch_metadata": {"tenant": "acme"}}


def test_a_named_agent_is_called_by_its_name_where_it_is_not_dark(tmp_path: Path) -> None:
    found = look(tmp_path, "connect", [], **GREEN, media_probe_dark=False, agent_name="coach")
    assert " --agent-name=coach --row=5" in found.commands()[0]


def test_an_agent_without_a_name_is_asked_for_by_none(tmp_path: Path) -> None:
    found = look(tmp_path, "connect", [], **GREEN, media_probe_dark=False)
    assert "--agent-name" not in found.commands()[0]


def test_our_calls_bring_what_the_inventory_says(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.mkdir()
    owner = record.stat().st_uid
    extra = {"probe_caller": CALLER, "releve_record": str(record), "releve_user": owner}
    found = look(tmp_path, "connect", [], **GREEN, **extra)
    assert " --caller=/record/caller.json --row=5" in found.commands()[0]
    assert json.loads((record / "caller.json").read_text()) == CALLER
    assert (record / "caller.json").stat().st_mode & 0o777 == 0o600
    assert "acme" not in found.said


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [({}, ""), ({"blue": "talks"}, " --expect=talks"), ({"blue": "echo", "green": "echo"}, None)],
)
def test_what_green_is_takes_a_call_only_where_nobody_says_it_and_must_be_what_blue_is(
    tmp_path: Path, kinds: dict[str, str], expected: str | None
) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "probe-green-kind.json").write_text('{"kind": "talks"}')
    extra = {"agent_kinds": kinds, "releve_run_dir": str(tmp_path)}
    found = look(tmp_path, "kind", [], **GREEN, **extra)
    assert found.code == 0, found.said
    wanted = [] if expected is None else [f"--agent-name=releve-green{expected}"]
    assert [command[command.index("--agent") :] for command in found.commands()] == wanted


def test_an_agent_without_audio_is_a_listener_only_where_its_owner_says_so(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "probe-green-kind.json").write_text('{"kind": "listens"}')
    found = look(tmp_path, "kind", [], **GREEN, agent_kinds={}, releve_run_dir=str(tmp_path))
    assert found.code != 0
    assert "say so: agent_kinds: {blue: listens, green: listens}" in found.said


def test_sentinels_are_held_as_the_agent_in_service_needs_it(tmp_path: Path) -> None:
    extra = {
        "agent_kinds": {"blue": "talks"},
        "agent_name": "coach",
        "probe_budget": {"turns": 50, "rooms": 40, "share": 0.2},
        "sentinels_cost": {"turns": 44, "held_turns": 30, "probe_rooms": 8},
        "stack_weights": {"blue": 100, "green": 0},
        "stack_adopted": False,
        "releve_record": str(tmp_path),
    }
    (tmp_path / "sentinels.jsonl").write_text('{"event": "before_over"}')
    found = look(tmp_path, "sentinels_start", [], **extra)
    assert found.code == 0, found.said
    (command,) = found.commands()
    assert "probe hold" in command
    assert " --kind=talks " in command
    assert " --turn-seconds=20 " in command
    assert " --agent-name=coach " in command
    assert command.endswith(" --most-turns=36 --most-rooms=32 --share=0.2")


@pytest.mark.parametrize(("turns", "code"), [(1, 2), (500, 0)])
def test_a_run_beyond_its_budget_ends_before_it_begins(
    tmp_path: Path, turns: int, code: int
) -> None:
    extra = {
        "agent_kinds": {"blue": "talks"},
        "probe_budget": {"turns": turns},
        "rollout_schedule": [{"weight": 9, "seconds": 60}, {"weight": 100, "seconds": 300}],
        "rollout_compare_calls": 2,
        "rollout_compare_turns": 3,
        "ansible_playbook_python": sys.executable,
    }
    found = look(tmp_path, "budget", [], **extra)
    assert found.code == code, found.said
    assert "CALLS: this run opens about " in found.said
    if code:
        assert "`probe_budget.turns` allows 1: raise it" in found.said
        assert "Nothing was changed" in found.said


def test_probes_are_where_the_agent_is_and_trust_whom_the_inventory_names(tmp_path: Path) -> None:
    now = {"network": "host", "sentinels": None}
    (one,) = look(tmp_path, "server", [0], stack_now=now, server_ca="/etc/ca.pem").containers
    args = one["args"]
    assert args["command"][:2] == ["probe", "server"]
    assert (args["network_mode"], "networks" in args) == ("host", False)
    assert args["env"] == {"SSL_CERT_FILE": "/run/secrets/server_ca.pem"}
    assert "/etc/ca.pem" in [mount["source"] for mount in args["mounts"]]


def test_names_that_only_the_agent_knows_are_known_to_probes(tmp_path: Path) -> None:
    hosts = {"host.docker.internal": "host-gateway"}
    now = {"network": "mine_default", "sentinels": None, "extra_hosts": hosts}
    (one,) = look(tmp_path, "server", [0], stack_now=now).containers
    args = one["args"]
    assert (args["etc_hosts"], args["networks"]) == (hosts, [{"name": "mine_default"}])
    assert not {"env", "network_mode"} & args.keys()


def test_a_server_that_cannot_be_used_is_told_before_anything_changes(tmp_path: Path) -> None:
    looked = look(tmp_path, "server", [2])
    assert looked.code != 0
    assert "RTT is too long" in looked.said  # what the probe said
    assert "Nothing was changed" in looked.said
