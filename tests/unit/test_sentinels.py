"""The sentinels judge a run only while they are on the line: preflight looks that they stay."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from .ansible_play import played

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: media_probe, tasks_from: sentinels_outlast}
      vars:
        rollout_schedule: [{weight: 9, seconds: 60}, {weight: 100, seconds: 300}]
        stack: x
"""


@pytest.mark.parametrize(("seconds", "code"), [(719, 2), (720, 0)])
def test_sentinels_that_hang_up_before_the_end_are_refused(
    seconds: int, code: int, tmp_path: Path
) -> None:
    (tmp_path / "play.yml").write_text(PLAY)
    asked = f"--extra-vars=sentinels_max_seconds={seconds}"
    done = played(tmp_path, asked, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    assert done.returncode == code, done.stdout
    if code:
        assert "Set `sentinels_max_seconds` to 720 or more" in done.stdout


@pytest.mark.parametrize("inventory", ["demo", "staging", "prod"])
def test_the_inventories_that_are_delivered_let_them_stay(inventory: str) -> None:
    pace = yaml.safe_load(
        (ROOT / "inventories" / inventory / "group_vars/eloquence/pace.yml").read_text()
    )
    steps = sum(step["seconds"] for step in pace["rollout_schedule"])
    watched = pace.get("sentinels_before_seconds", 60) + steps
    assert pace["sentinels_max_seconds"] >= watched + 300
