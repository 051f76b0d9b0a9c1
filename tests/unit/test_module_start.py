"""A module is read in one go, whatever the machine's environment says of Python."""

from __future__ import annotations

from pathlib import Path

from .ansible_play import played

ROOT = Path(__file__).parents[2]
MODULE = """#!/usr/bin/python
import os
from ansible.module_utils.basic import AnsibleModule
AnsibleModule(argument_spec={}).exit_json(msg="PYTHONUNBUFFERED" in os.environ)
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - speak:
      register: heard
    - debug: {msg: "byte by byte: {{ heard.msg }}"}
"""


def test_a_module_is_read_in_one_go(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    (tmp_path / "library/speak.py").write_text(MODULE)
    (tmp_path / "play.yml").write_text(PLAY)
    done = played(
        tmp_path,
        ANSIBLE_CALLBACK_PLUGINS=str(ROOT / "plugins/callback"),
        ANSIBLE_CALLBACKS_ENABLED="releve_run",
        ANSIBLE_LIBRARY=str(tmp_path / "library"),
        PYTHONUNBUFFERED="1",  # as images with a Python have it
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte by byte: False" in done.stdout
