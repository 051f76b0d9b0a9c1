"""A playbook's phases can be run alone by their tags, and a run that would do nothing is refused.

The playbooks are the repository's; what they include is replaced by what says that it ran.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PHASES = {"preflight", "backup", "server", "gateway", "agent", "probe", "rollout"}
PLAYBOOKS = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))
# Dynamic and nested, as what they replace: tags do not reach in here by themselves.
OUTER = "- include_tasks: {file: RAN-NAME.yml}\n"
INNER = """
- copy: {content: "", dest: "{{ lookup('env', 'RAN') }}/NAME"}
- fail: {msg: it broke}
  when: "'NAME' == broken | default('')"
"""
FACTS = {
    "migration_needed": False,
    "stack_restarts": False,
    "stack_adopted": True,
    "stack_now": {"blue": {"name": "b"}, "green": None},
    "releve_from": "blue",
    "releve_to": "green",
    "releve_verb": "migrate",
    "stack_weights": {"blue": 100, "green": 0},
    "media_probe_kinds": {"blue": "echo", "green": "echo"},
    "media_probe_network_cut_seconds": 1,
    "media_probe_loss_percents": [],
    "media_probe_soak_seconds": 0,
    "media_probe_load_calls": 0,
}


@dataclass
class Played:
    """A playbook that ran: which parts of it, its exit code and its last line."""

    ran: set[str]
    code: int
    output: str

    @property
    def last(self) -> str:
        return self.output.rstrip().rpartition("\n")[2]


@dataclass
class Tree:
    """The playbooks beside stand-ins for task files and roles."""

    home: Path

    def play(self, playbook: str, *options: str, hosts: str = "one") -> Played:
        ran = self.home / "ran"
        ran.mkdir()
        (self.home / "hosts.yml").write_text(
            yaml.safe_dump({"eloquence": {"hosts": {name: {} for name in hosts.split()}}})
        )
        done = subprocess.run(
            [
                *(Path(sys.executable).parent / "ansible-playbook", f"playbooks/{playbook}"),
                *("--inventory=hosts.yml", "--connection=local"),
                f"--extra-vars={yaml.safe_dump(FACTS, default_flow_style=True, width=9999)}",
                f"--extra-vars=ansible_python_interpreter={sys.executable}",
                *options,
            ],
            cwd=self.home,
            env={name: value for name, value in os.environ.items() if "ANSIBLE" not in name}
            | {
                "ANSIBLE_ACTION_PLUGINS": str(ROOT / "plugins/action"),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
                "ANSIBLE_CALLBACKS_ENABLED": "releve_run",
                "ANSIBLE_FILTER_PLUGINS": str(ROOT / "plugins/filter"),
                "ANSIBLE_LIBRARY": str(ROOT / "plugins/modules"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_ROLES_PATH": str(self.home / "roles"),
                "RAN": str(ran),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return Played({path.name for path in ran.iterdir()}, done.returncode, done.stdout)


def stand_in(path: Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OUTER.replace("NAME", name))
    (path.parent / f"RAN-{name}.yml").write_text(INNER.replace("NAME", name))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    for source in (ROOT / "playbooks").glob("*.yml"):
        (tmp_path / "playbooks").mkdir(exist_ok=True)
        (tmp_path / "playbooks" / source.name).write_text(source.read_text())
    for source in (ROOT / "playbooks/tasks").glob("*.yml"):
        if source.stem != "rollout":
            stand_in(tmp_path / "playbooks/tasks" / source.name, source.stem)
    (tmp_path / "playbooks/tasks/rollout.yml").write_text(
        (ROOT / "playbooks/tasks/rollout.yml").read_text()
    )
    for source in (ROOT / "roles").glob("*/tasks/*.yml"):
        role = source.parents[1].name
        name = role if source.stem == "main" else f"{role}-{source.stem}"
        stand_in(tmp_path / source.relative_to(ROOT), name)
    return Tree(tmp_path)


def tags(tasks: list[dict[str, Any]]) -> Iterator[set[str]]:
    """Of each task that is no block, its tags."""
    for task in tasks:
        if imported := task.get("ansible.builtin.import_tasks"):
            yield from tags(yaml.safe_load((ROOT / "playbooks" / imported).read_text()))
            continue
        inside = [*task.get("block", []), *task.get("rescue", []), *task.get("always", [])]
        if inside:
            yield from tags(inside)
        else:
            yield set(task.get("tags", []))


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_task_of_a_playbook_belongs_to_a_phase(playbook: str) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks" / playbook).read_text())
    tasks = [*play.get("pre_tasks", []), *play.get("tasks", [])]
    for found in tags(tasks):
        wanted = found | set(play.get("tags", []))
        assert wanted and wanted <= PHASES | {"always"}


@pytest.mark.parametrize(
    ("phase", "parts"),
    [
        ("preflight", set()),
        ("backup", {"backup"}),
        ("server", {"livekit_server"}),
        (
            "gateway",
            {"media_probe-sentinels_start", "dispatch_gateway", "media_probe-sentinels_moment"}
            | {"adopt"},
        ),
        ("agent", {"release"}),
        ("probe", {"media_probe"}),
        (
            "rollout",
            {"media_probe-sentinels_start", "media_probe", "rollout_ready"}
            | {"rollout", "media_probe-sentinels_judge"},
        ),
    ],
)
def test_a_phase_of_a_migration_runs_alone_with_what_it_needs(
    tree: Tree, phase: str, parts: set[str]
) -> None:
    needed = f'--extra-vars={{"migration_needed": {str(phase == "rollout").lower()}}}'
    done = tree.play("migrate.yml", "--tags", phase, needed)
    assert done.code == 0, done.output
    assert done.ran == {"stack-open", "preflight", "close"} | parts


@pytest.mark.parametrize("phase", ["backup", "agent"])
def test_a_phase_that_fails_goes_back_where_it_may_have_moved_something(
    tree: Tree, phase: str
) -> None:
    broken = {"backup": "backup", "agent": "release"}[phase]
    done = tree.play("migrate.yml", "--tags", phase, f"--extra-vars=broken={broken}")
    assert done.code == 2
    assert "it broke" in done.last
    assert "close" in done.ran
    assert ("undo" in done.ran) is (phase == "agent")


def test_a_migration_without_its_backup_skips_nothing_else(tree: Tree) -> None:
    whole = tree.play("migrate.yml", "--extra-vars={migration_needed: true}")
    (tree.home / "ran").rename(tree.home / "whole")
    done = tree.play("migrate.yml", "--extra-vars={migration_needed: true}", "--skip-tags=backup")
    assert (whole.code, done.code) == (0, 0)
    assert whole.ran ^ done.ran == {"backup", "rollout_ready"}


def test_a_deployment_is_a_migration_that_adopts_nobody(tree: Tree) -> None:
    migrated = tree.play("migrate.yml", "--extra-vars={migration_needed: true}")
    (tree.home / "ran").rename(tree.home / "migrated")
    done = tree.play("deploy.yml", "--extra-vars={migration_needed: true, releve_verb: deploy}")
    assert (migrated.code, done.code) == (0, 0)
    assert migrated.ran ^ done.ran == {"adopt", "media_probe-sentinels_moment"}


def test_a_release_that_is_in_service_already_is_left_alone(tree: Tree) -> None:
    done = tree.play("deploy.yml", "--extra-vars={migration_needed: false, releve_verb: deploy}")
    assert done.code == 0, done.output
    assert done.ran == {"stack-open", "preflight", "livekit_server", "dispatch_gateway", "close"}


@pytest.mark.parametrize(
    ("playbook", "phase", "part"),
    [
        ("backup.yml", "backup", "backup"),
        ("demo_down.yml", "agent", "demo_only"),
        ("deploy.yml", "rollout", "rollout_ready"),
        ("drain.yml", "rollout", "finalize-drained"),
        ("finalize.yml", "agent", "finalize"),
        ("engine.yml", "preflight", "container_engine"),
        ("handover.yml", "rollout", "dispatch_gateway-handover"),
        ("images.yml", "preflight", "images"),
        ("preflight.yml", "preflight", "preflight"),
        ("prepare.yml", "backup", "backup-prepare"),
        ("probe.yml", "probe", "media_probe-connect"),
        ("restore.yml", "backup", "backup-restore"),
        ("rollback.yml", "rollout", "stack-rollback"),
        ("verify.yml", "backup", "backup-verify"),
    ],
)
def test_the_phase_of_any_other_playbook_runs_by_its_tag(
    tree: Tree, playbook: str, phase: str, part: str
) -> None:
    done = tree.play(playbook, "--tags", phase, "--extra-vars=snapshot=latest")
    assert part in done.ran, done.output


@pytest.mark.parametrize("option", ["--tags", "--skip-tags"])
def test_an_unknown_phase_is_refused_with_those_that_there_are(tree: Tree, option: str) -> None:
    done = tree.play("migrate.yml", option, "backup,bakcup")
    assert (done.code, done.ran) == (2, set())
    assert done.last == (
        f"FAILED · {option} bakcup: this playbook has no such phase; it has "
        f"{', '.join(sorted(PHASES))}. "
        f"Next: the same command with a phase that it has, or without {option}"
    )


def test_a_phase_of_another_playbook_is_refused(tree: Tree) -> None:
    done = tree.play("probe.yml", "--tags", "backup")
    assert (done.code, done.ran) == (2, set())
    assert "it has preflight, probe" in done.last


@pytest.mark.parametrize("option", ["--skip-tags=preflight", "--start-at-task=x"])
def test_no_run_begins_in_the_middle(tree: Tree, option: str) -> None:
    done = tree.play("migrate.yml", option)
    assert (done.code, done.ran) == (2, set())
    assert done.last.startswith("FAILED · --s")


def test_a_group_without_a_host_is_refused(tree: Tree) -> None:
    done = tree.play("migrate.yml", hosts="")
    assert (done.code, done.ran) == (2, set())
    assert done.last.startswith(
        "FAILED · no host is in group eloquence of inventory hosts.yml. "
        "Next: put the target into that group"
    )


@pytest.mark.parametrize(
    "playbook",
    [
        *("engine.yml", "images.yml", "status.yml", "demo_up.yml", "demo_down.yml"),
        *("rollback.yml", "upgrade_code.yml"),
    ],
)
def test_a_misspelt_setting_stops_a_playbook_before_anything_else(
    tree: Tree, playbook: str
) -> None:
    done = tree.play(playbook, "--extra-vars=media_probe_cals=3", "--tags=all")
    assert (done.code, done.ran) == (2, set())
    assert "media_probe_cals is no setting of Relève" in done.last
