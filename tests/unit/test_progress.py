"""What takes long says on the console how far it is, while it goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from releve.probe.judgement.progress_line import ProgressLine

from .backup_standin import Site, empty_repository, site

__all__ = ["empty_repository", "site"]

ROOT = Path(__file__).parents[2]
# Stands in for the module: it ends when the console has shown its line.
MODULE = """#!/usr/bin/python
import json, pathlib, time
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={"home": {"type": "path"}, "run": {"type": "str"}})
home = pathlib.Path(module.params["home"])
said = "volume of " + module.params["run"] + ", 412 of 1600 MB"
(home / "progress").write_text("earlier: nothing of ours\\n")
time.sleep(0.5)
(home / "progress").write_text(module.params["run"] + ": " + said + "\\n")
deadline = time.monotonic() + 60
while said not in (home / "console").read_text() and time.monotonic() < deadline:
    time.sleep(0.05)
(home / "progress").write_text(module.params["run"] + ": too late\\n")
module.exit_json(changed=True, backup={"snapshot": "aaaa"})
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {releve_progress_seconds: 0.1}
  tasks:
    - releve_backup: {home: "{{ playbook_dir }}", run: run7}
      register: done
    - releve_restore: {home: "{{ playbook_dir }}", run: run8}
    - assert: {that: done.backup.snapshot == "aaaa"}
    # Ends when the console has shown the line that its progress prints last.
    - releve_watched:
        module: ansible.builtin.wait_for
        args: {path: "{{ playbook_dir }}/console", search_regex: "^    7 calls held$", timeout: 60}
        progress: [sh, -c, "echo 6 calls held; echo 7 calls held >&2"]
      register: waited
    - assert: {that: waited.elapsed is defined}
"""


def test_the_console_says_how_far_backup_restore_and_probe_are(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    for module in ("releve_backup", "releve_restore"):
        (tmp_path / "library" / f"{module}.py").write_text(MODULE)
    (tmp_path / "play.yml").write_text(PLAY)
    console = tmp_path / "console"
    with console.open("w") as out:
        done = subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook",
                *("--inventory=localhost,", "--connection=local", tmp_path / "play.yml"),
                f"--extra-vars=ansible_python_interpreter={sys.executable}",
            ],
            env=os.environ
            | {
                "ANSIBLE_ACTION_PLUGINS": str(ROOT / "plugins/action"),
                "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
                "ANSIBLE_CALLBACKS_ENABLED": "releve_run",
                "ANSIBLE_LIBRARY": str(tmp_path / "library"),
                "ANSIBLE_NOCOLOR": "1",
                "PYTHONUNBUFFERED": "",  # as on most machines
            },
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
    said = console.read_text()
    assert done.returncode == 0, said
    for run in ("run7", "run8"):
        assert said.count(f"    volume of {run}, 412 of 1600 MB\n") == 1
    assert "nothing of ours" not in said
    assert said.count("    7 calls held\n") == 1
    assert "6 calls held" not in said


# The module says that it runs, and then waits for longer than anybody does.
INTERRUPTED = """
- hosts: localhost
  gather_facts: false
  tasks:
    - releve_watched:
        module: ansible.builtin.command
        args: {argv: [sh, -c, "touch {{ playbook_dir }}/began; exec sleep 600"]}
        progress: ["true"]
        interrupted: [touch, "{{ playbook_dir }}/ended"]
"""


def test_what_a_module_has_started_elsewhere_ends_with_a_run_that_is_interrupted(
    tmp_path: Path,
) -> None:
    (tmp_path / "play.yml").write_text(INTERRUPTED)
    run = subprocess.Popen(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *("--inventory=localhost,", "--connection=local", tmp_path / "play.yml"),
            f"--extra-vars=ansible_python_interpreter={sys.executable}",
        ],
        env=os.environ
        | {
            "ANSIBLE_ACTION_PLUGINS": str(ROOT / "plugins/action"),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "plugins/callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "releve_run",
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "began").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    said, _ = run.communicate(timeout=120)
    assert run.returncode != 0
    assert (tmp_path / "ended").exists(), said


def test_a_stream_says_how_much_of_it_is_saved(site: Site) -> None:
    told = site.root / "told"
    restic = replace(site.restic(), amount=told.write_text)
    until_told = f"head -c 5000000 /dev/urandom; until [ -e {told} ]; do sleep 0.1; done"
    restic.save(["timeout", "60", "sh", "-c", until_told], "/x.tar", ["image"])
    assert told.read_text().endswith(" MB")


def test_held_calls_are_told_in_a_line() -> None:
    tally = ProgressLine()
    for n in range(3):
        tally.add("open", {"call": f"held-{n}", "kind": "held"})
    tally.add("rtt", {"call": "held-0", "ms": [150.0, 170.0], "said": 2})
    assert tally.line(20.4, 120.0) == "20 of 120 s; 3 calls held, 0 dropped; RTT 160 ms"
    tally.add("open", {"call": "a", "kind": "arrival"})
    tally.add("no_agent", {"call": "a"})
    tally.add("silence", {"call": "held-1", "ms": 1200.0})
    tally.add("dropped", {"call": "held-1", "why": "agent left"})
    said = "2 calls held, 1 dropped; nothing heard just now; longest silence 1200 ms"
    assert tally.line(40.0, None) == f"40 s; {said}; 1 rooms opened, 1 without agent, 0 with two"
