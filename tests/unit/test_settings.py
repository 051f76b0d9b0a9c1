"""Settings: the page is that of today's roles, and what nobody reads is refused by its name."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from releve.settings import page, settings, unknown

from .ansible_play import played

ROOT = Path(__file__).parents[2]


def test_the_page_is_that_of_todays_roles() -> None:
    again = "python -m releve.settings > docs/settings.md"
    assert (ROOT / "docs/settings.md").read_text() == page(ROOT / "roles"), again


def test_each_setting_is_listed_once() -> None:
    names = [one.name for found in settings(ROOT / "roles").values() for one in found]
    assert len(names) == len(set(names)) > 50


@pytest.mark.parametrize("role", sorted((ROOT / "roles").iterdir()), ids=lambda path: path.name)
def test_every_default_of_a_role_is_in_its_argument_spec(role: Path) -> None:
    spec = yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"]
    known = {name for entry in spec.values() for name in entry.get("options") or {}}
    assert set(yaml.safe_load((role / "defaults/main.yml").read_text())) <= known


def test_a_setting_has_type_default_and_choices(tmp_path: Path) -> None:
    meta = tmp_path / "agent" / "meta"
    meta.mkdir(parents=True)
    options = {
        "agent_kind": {"type": "str", "choices": ["a", "b"], "description": "Of a | b."},
        "agent_all": {"type": "list", "elements": "str", "default": [], "description": "All."},
        "agent_given": {"type": "str", "required": True, "description": "By the caller."},
        "agent_own": {"type": "str", "description": "Computed; for the role itself."},
    }
    spec = {"argument_specs": {"main": {"options": options}}}
    (meta / "argument_specs.yml").write_text(yaml.safe_dump(spec))
    lines = [line for line in page(tmp_path).splitlines() if line.startswith("| `agent_")]
    assert lines == [
        "| `agent_all` | list of str | `[]` | All. |",
        "| `agent_kind` | str | – | Of a \\| b. One of `a`, `b`. |",
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("media_probe_cals", "media_probe_calls"),
        ("sentinel_calls", "sentinels_calls"),
        ("backup_repo", "backup_repository"),
        ("stack_name", "stack"),
        ("rollout_shedule", "rollout_schedule"),
    ],
)
def test_a_name_that_nobody_reads_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    (said,) = unknown([name], ROOT)
    assert said == f"{name} is no setting of Relève; the nearest is {nearest}"


def test_what_is_the_users_own_or_ours_is_not_refused() -> None:
    own = ["my_var", "ansible_host", "agent_naem"]
    # Some are set by plugins; an earlier playbook of the same command has set them.
    facts = ["stack_now", "images_found", "releve_run_id", "stack_verb", "backup_keep"]
    facts += ["releve_end_monotonic", "releve_waiting"]
    assert unknown(own + facts, ROOT) == []


@pytest.mark.parametrize("of", ["inventories", "molecule"])
def test_what_our_own_inventories_set_is_known(of: str) -> None:
    """Of every file with variables, all keys: a host's name is none of ours either."""

    def keys(read: object) -> set[str]:
        if isinstance(read, dict):
            return {str(key) for key in read}.union(*map(keys, read.values()))
        return set()

    files = sorted((ROOT / of).rglob("*.yml"))
    assert files
    found = set().union(*(keys(yaml.safe_load(path.read_text())) for path in files))
    assert unknown(found, ROOT) == []


def opened(folder: Path, *options: str) -> str:
    """What a play says that opens a run on this repository's role, its lock in that folder."""
    (folder / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.include_role: {name: stack, tasks_from: open, public: true}\n"
        "      vars: {stack_verb: probe}\n"
    )
    done = played(
        folder,
        *(f"--extra-vars=releve_lock={folder}/lock", f"--extra-vars=releve_reports={folder}"),
        *options,
        ANSIBLE_ACTION_PLUGINS=str(ROOT / "plugins/action"),
        ANSIBLE_LIBRARY=str(ROOT / "plugins/modules"),
        ANSIBLE_MODULE_UTILS=str(ROOT / "plugins/module_utils"),
        ANSIBLE_ROLES_PATH=str(ROOT / "roles"),
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert (done.returncode == 0) is (folder / "lock").exists(), said
    return said


def test_a_run_with_a_misspelt_setting_takes_no_lock(tmp_path: Path) -> None:
    said = opened(tmp_path, "--extra-vars=media_probe_cals=3")
    assert "media_probe_cals is no setting of Relève; the nearest is media_probe_calls" in said
    assert not (tmp_path / "lock").exists()


def test_a_run_with_known_settings_begins(tmp_path: Path) -> None:
    opened(tmp_path, "--extra-vars=media_probe_calls=3", "--extra-vars=my_own=1")
    assert (tmp_path / "lock").exists()


def test_another_release_of_ansible_is_told_which_one_works(tmp_path: Path) -> None:
    """The plugin in a tree of its own, which wants one that never was."""
    for name in ("plugins/action/releve_settings.py", "meta/runtime.yml"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text((ROOT / name).read_text().replace(">=2.19.0", ">=2.0,<2.1"))
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks: [{releve_settings: }]\n"
    )
    done = played(tmp_path, ANSIBLE_ACTION_PLUGINS=str(tmp_path / "plugins/action"))
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert "Relève works with >=2.0,<2.1,<2.20.0: `make venv` installs one" in said
