"""The gate on held calls: a record that ended before the run says nothing about its end."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path

import pytest

from .ansible_play import played

ROOT = Path(__file__).parents[2]
RECORD = [
    {"t": 1.0, "event": "open", "call": "s1", "kind": "held"},
    {"t": 2.0, "event": "agent", "call": "s1", "identity": "agent-1"},
    *({"t": 2.0 + k / 20, "event": "rtt", "call": "s1", "ms": [120.0]} for k in range(60)),
]


def judged(folder: Path, age: float) -> tuple[int, str]:
    """What the role says of a record that nobody has written for so many seconds."""
    record = folder / "sentinels.jsonl"
    record.write_text("".join(json.dumps(event) + "\n" for event in RECORD))
    os.utime(record, (time.time() - age,) * 2)
    (folder / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        "    - ansible.builtin.include_role: {name: media_probe, tasks_from: sentinels_judge}\n"
        f"      vars: {{releve_record: {folder}, releve_run_dir: {folder}/run, releve_since: 3,\n"
        "             stack: demo}\n"
    )
    done = played(
        folder,
        ANSIBLE_ACTION_PLUGINS=str(ROOT / "plugins/action"),
        ANSIBLE_LIBRARY=str(ROOT / "plugins/modules"),
        ANSIBLE_MODULE_UTILS=str(ROOT / "plugins/module_utils"),
        ANSIBLE_ROLES_PATH=str(ROOT / "roles"),
    )
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_record_that_is_written_until_now_is_judged(tmp_path: Path) -> None:
    code, said = judged(tmp_path, 0)
    assert code == 0, said


@pytest.mark.parametrize("age", [40, 400])
def test_a_record_that_ended_earlier_fails_however_good_it_is(tmp_path: Path, age: int) -> None:
    code, said = judged(tmp_path, age)
    assert code != 0
    assert "nothing watched what came after" in said
    told = re.search(r"record ended (\d+)", said)
    assert told is not None and age <= int(told[1]) < age + 120
