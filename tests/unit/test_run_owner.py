"""Whose run it is, and when it is proven that the process is gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from releve.run_owner import gone, owner

from .ansible_play import played

ROOT = Path(__file__).parents[2]


def test_a_living_process_is_not_gone() -> None:
    assert not gone({"owner": owner(os.getpid())})


def test_a_process_that_ended_is_gone_even_before_its_parent_asked() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = {"owner": owner(child.pid)}
    alive_was_gone = gone(holder)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # leaves the zombie
    zombie_was_gone = gone(holder)
    child.communicate()
    assert (alive_was_gone, zombie_was_gone, gone(holder)) == (False, True, True)


def test_a_process_id_that_was_given_out_again_does_not_keep_the_lock() -> None:
    mine = owner(os.getpid())
    assert gone({"owner": mine | {"process": mine["process"] - 1}})


def test_of_another_machine_or_boot_nothing_is_proven() -> None:
    other = {"boot": "00000000-0000-0000-0000-000000000000", "process": 1}
    assert not gone({"owner": owner(os.getpid()) | other})
    assert not gone({"run": "without an owner"})


def test_a_run_takes_the_lock_of_one_that_is_gone_and_says_so(tmp_path: Path) -> None:
    """The whole way: action plugin here, module there."""
    dead = {"owner": owner(os.getpid()) | {"process": 1}, "run": "dead", "verb": "migrate"}
    (tmp_path / "lock").write_text(json.dumps(dead))
    (tmp_path / "play.yml").write_text(
        "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
        f"    - releve_lock: {{path: {tmp_path}/lock, run: next, verb: migrate}}\n"
    )
    done = played(
        tmp_path,
        ANSIBLE_ACTION_PLUGINS=str(ROOT / "plugins/action"),
        ANSIBLE_LIBRARY=str(ROOT / "plugins/modules"),
        ANSIBLE_MODULE_UTILS=str(ROOT / "plugins/module_utils"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "took over a stale lock: run dead (migrate)" in said
    assert json.loads((tmp_path / "lock").read_text())["run"] == "next"
