"""The sentinels judge a run only while they are on the line: preflight looks that they stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: media_probe, tasks_from: sentinels_outlast}
      vars: {canary_seconds: 60, bake_seconds: 300, stack: x}
"""


@pytest.mark.parametrize(("seconds", "code"), [(659, 2), (660, 0)])
def test_sentinels_that_hang_up_before_the_end_are_refused(
    seconds: int, code: int, tmp_path: Path
) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *("--inventory=localhost,", "--connection=local", tmp_path / "play.yml"),
            f"--extra-vars=sentinels_max_seconds={seconds}",
        ],
        env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stdout
    if code:
        assert "Set `sentinels_max_seconds` to 660 or more" in done.stdout


@pytest.mark.parametrize("inventory", ["demo", "staging", "prod"])
def test_the_inventories_that_are_delivered_let_them_stay(inventory: str) -> None:
    pace = yaml.safe_load(
        (ROOT / "inventories" / inventory / "group_vars/eloquence/pace.yml").read_text()
    )
    watched = pace["canary_seconds"] + pace["bake_seconds"]
    assert pace["sentinels_max_seconds"] >= watched + 300
