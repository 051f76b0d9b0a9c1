"""A migration does not start where the last verified backup is too old, or there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from .ansible_play import played

ROOT = Path(__file__).parents[2]
# Stands in for the module: which backups there are depends on the stack.
MODULE = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
names = ("stack", "run", "home", "repository", "password_file", "environment")
module = AnsibleModule(argument_spec={name: {"type": "raw"} for name in names})
old, young = ({"age_hours": age, "verified": True} for age in (25.5, 23.5))
unproven = {"age_hours": 0.1, "verified": False}
found = {"none": [], "unproven": [unproven], "old": [old, unproven], "young": [old, young]}
module.exit_json(changed=False, backups=found[module.params["stack"]])
"""
PLAY = """
- hosts: all
  gather_facts: false
  vars: {stack: "{{ inventory_hostname }}", releve_run_id: run1, backup_max_age_hours: 24}
  tasks:
    - include_role: {name: backup, tasks_from: age}
    - debug: {msg: "{{ stack }} goes on"}
"""


def test_only_a_verified_backup_that_is_young_enough_lets_a_migration_start(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "releve_backup_info.py").write_text(MODULE)
    (tmp_path / "play.yml").write_text(PLAY)
    done = played(
        tmp_path,
        hosts="none,unproven,old,young",
        ANSIBLE_LIBRARY=str(tmp_path / "library"),
        ANSIBLE_ROLES_PATH=str(ROOT / "roles"),
    )
    said = re.sub(r"\s+", " ", done.stdout)
    assert done.returncode != 0
    for stack, why in (
        ("none", "there is no verified backup"),
        ("unproven", "there is no verified backup"),
        ("old", "the last verified backup is 25.5 hours old"),
    ):
        assert f"{stack} goes on" not in said
        assert re.search(rf"fatal: \[{stack}\]: FAILED! [^!]*{why}, at most 24 hours", said), said
    assert "young goes on" in said


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_staging_and_prod_ask_for_one(environment: str) -> None:
    folder = ROOT / "inventories" / environment / "group_vars/eloquence"
    found = yaml.safe_load((folder / "backup.yml").read_text())
    assert 0 < found["backup_max_age_hours"] <= 24
