"""What the callback releve_run promises, shown by real ansible-playbook runs on localhost."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RUN_ID = "20250601T101500Z-migrate-0a1b"
BIN = Path(sys.executable).parent

START = """
- name: "(1/3) PREFLIGHT: what is running is known"
  hosts: localhost
  gather_facts: false
  tasks:
    - name: the run has a directory
      ansible.builtin.set_fact:
        releve_run_dir: "{{ playbook_dir }}/var/reports/20250601T101500Z-migrate-0a1b"
"""


@dataclass
class Played:
    """A playbook that ran: exit code, lines of its output, and what it left behind."""

    code: int
    lines: list[str]
    home: Path

    @property
    def last(self) -> str:
        return self.lines[-1]

    def evidence(self, name: str) -> Any:
        text = (self.home / "var/reports" / RUN_ID / "evidence" / name).read_text()
        if name.endswith(".jsonl"):
            return [json.loads(line) for line in text.splitlines()]
        return json.loads(text)

    def report(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(
            (self.home / "var/reports/latest/report.json").read_text()
        )
        return content


class Stage:
    """A directory with an ansible.cfg like the repository's and one playbook."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.python = Path(sys.executable)
        (home / "ansible.cfg").write_text(
            dedent(f"""
            [defaults]
            callback_plugins = {ROOT / "plugins/callback"}
            callbacks_enabled = releve_run
            home = {home / "ansible"}
            local_tmp = {home / "ansible/tmp"}
            """)
        )
        self.env = {
            **{name: value for name, value in os.environ.items() if "ANSIBLE" not in name},
            "ANSIBLE_CONFIG": str(home / "ansible.cfg"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "COLUMNS": "100",
        }

    def command(self, playbook: str, *args: str, verb: str = "migrate") -> list[str]:
        """Write the playbook and return the command that plays it."""
        (self.home / f"{verb}.yml").write_text(playbook)
        return [str(self.python), str(BIN / "ansible-playbook"), f"{verb}.yml", *args]

    def play(self, playbook: str, *args: str, verb: str = "migrate") -> Played:
        done = subprocess.run(
            self.command(playbook, *args, verb=verb),
            cwd=self.home,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=60,
        )
        return Played(done.returncode, done.stdout.rstrip().splitlines(), self.home)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def play(name: str, tasks: str) -> str:
    """A play on localhost, appended to a playbook."""
    head = f'\n- name: "{name}"\n  hosts: localhost\n  gather_facts: false\n  tasks:\n'
    return head + indent(dedent(tasks).strip("\n"), "    ") + "\n"


GATE = """
- name: green is good or everything goes back
  block:
    - name: the gate holds
      ansible.builtin.fail:
        msg: RTT p95 is 231 ms, below 200 ms is needed.
  rescue:
    - name: back to blue
      ansible.builtin.debug:
        msg: weights set
"""


def test_a_run_that_goes_well_is_journalled_reported_and_done(stage: Stage) -> None:
    done = stage.play(
        START
        + play("(2/3) GATEWAY: it stands before the agents", "- command: 'true'")
        + play("(3/3) BAKE: not needed", "- command: 'true'\n  when: false")
    )
    assert done.code == 0
    assert done.last.startswith("DONE · migrate in ")
    assert done.last.endswith(" s · report var/reports/latest/report.html")
    recap = next(n for n, line in enumerate(done.lines) if line.startswith("PLAY RECAP"))
    table = next(n for n, line in enumerate(done.lines) if line.startswith("PASS  migrate in "))
    assert recap < table

    steps = done.evidence("steps.jsonl")
    assert [(step["name"], step["outcome"]) for step in steps] == [
        ("(1/3) PREFLIGHT: what is running is known", "ok"),
        ("(2/3) GATEWAY: it stands before the agents", "changed"),
        ("(3/3) BAKE: not needed", "skipped"),
    ]
    for before, after in itertools.pairwise(steps):
        assert before["started"] + before["seconds"] == pytest.approx(after["started"])
    end = done.evidence("end.json")
    assert (end["verdict"], end["reason"]) == ("pass", None)
    assert done.report()["run"]["verdict"] == "pass"


def test_tasks_can_be_steps_too_and_facts_of_the_end_are_kept(stage: Stage) -> None:
    done = stage.play(
        START
        + """
    - name: "(2/3) FLIP: new calls go to green"
      ansible.builtin.command: 'true'
    - name: the target's clock
      ansible.builtin.set_fact:
        releve_end_monotonic: 123.5
"""
    )
    assert done.code == 0
    steps = [(step["name"], step["outcome"]) for step in done.evidence("steps.jsonl")]
    assert steps[1] == ("(2/3) FLIP: new calls go to green", "changed")
    assert done.evidence("end.json")["monotonic"] == 123.5


def test_a_failure_ends_with_the_step_the_task_the_message_and_what_next(stage: Stage) -> None:
    done = stage.play(
        START + play("(2/3) ADOPT: a live worker moves", "- name: it registers\n  fail: {msg: No.}")
    )
    assert done.code == 2
    assert done.last == (
        "FAILED (2/3) ADOPT · it registers: No. Next: ansible-playbook rollback.yml"
    )
    assert done.report()["run"] | {"seconds": 0} == {
        "id": RUN_ID,
        "verb": "migrate",
        "started": None,
        "seconds": 0,
        "verdict": "failed",
        "reason": "No",
    }
    assert done.evidence("steps.jsonl")[-1]["outcome"] == "failed"


def test_a_preflight_that_fails_has_nothing_to_go_back_from(stage: Stage) -> None:
    failing = START + '\n    - name: "(1/3) PREFLIGHT: the disk has room"\n      fail: {msg: No.}\n'
    done = stage.play(failing)
    assert done.last.startswith("FAILED (1/3) PREFLIGHT")
    assert "Next: mend it, then ansible-playbook " in done.last
    assert "rollback" not in done.last


def test_the_next_command_is_for_the_host_and_the_stack_of_the_run(stage: Stage) -> None:
    (stage.home / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    (stage.home / "more.yml").write_text("my_own: 1")
    failing = START + play("(2/3) ADOPT: x", "- name: it registers\n  fail: {msg: No.}")
    given = ("-i", "hosts.yml", "--limit", "localhost", "-e", "@more.yml")
    done = stage.play(failing, *given, "-e", "stack=copy password=s3cr3t")
    assert done.last.endswith(
        " Next: ansible-playbook -i hosts.yml --limit localhost rollback.yml "
        "-e @more.yml -e stack=copy"
    )
    done = stage.play(failing, "-i", str(stage.home / "hosts.yml"), "-i", "localhost,")
    assert done.last.endswith(" Next: ansible-playbook -i hosts.yml -i localhost, rollback.yml")


def test_the_way_back_stands_beside_the_playbook_wherever_it_is_started(stage: Stage) -> None:
    failing = START + play("(2/3) ADOPT: x", "- name: it registers\n  fail: {msg: No.}")
    command = stage.command(failing)
    elsewhere = stage.home / "elsewhere"
    elsewhere.mkdir()
    command[2] = f"../{command[2]}"
    said = subprocess.run(command, cwd=elsewhere, env=stage.env, text=True, capture_output=True)
    assert said.stdout.rstrip().endswith(" Next: ansible-playbook ../rollback.yml")


def test_a_sentence_of_a_task_has_the_same_command(stage: Stage) -> None:
    (stage.home / "hosts.yml").write_text("all: {hosts: {localhost: {ansible_connection: local}}}")
    stage.env["ANSIBLE_FILTER_PLUGINS"] = str(ROOT / "plugins/filter")
    look = "look: {{ 'playbooks/status.yml' | releve_command }}."
    copy = (
        "copy: {{ ['a.yml', 'b.yml'] | releve_command(stack='copy', further='-e state=absent') }}."
    )
    done = stage.play(
        play("x", f'- debug: {{msg: "{look}"}}\n- debug: {{msg: "{copy}"}}'),
        *("-i", "hosts.yml", "-e", "stack=mine"),
    )
    said = " ".join(" ".join(done.lines).split())
    assert f"look: ansible-playbook -i hosts.yml {ROOT}/playbooks/status.yml -e stack=mine." in said
    assert (
        f"copy: ansible-playbook -i hosts.yml {ROOT}/a.yml {ROOT}/b.yml -e stack=copy "
        "-e state=absent." in said
    )


def test_a_gate_that_rolls_back_is_the_reason_not_the_rescue_that_fails_on_purpose(
    stage: Stage,
) -> None:
    on_purpose = """
    - name: it is known
      ansible.builtin.set_fact:
        releve_rolled_back: true
    - name: stop here
      ansible.builtin.fail:
        msg: migration stopped
"""
    done = stage.play(START + play("(2/3) GREEN: dark", GATE + on_purpose))
    assert done.code == 2
    assert done.last == (
        "ROLLED BACK · RTT p95 is 231 ms, below 200 ms is needed. "
        "Next: mend it, then ansible-playbook migrate.yml"
    )
    assert done.report()["run"]["verdict"] == "rolled_back"
    assert done.evidence("steps.jsonl")[1]["outcome"] == "failed"
    assert [line["rescued"] for line in done.evidence("failures.jsonl")] == [False, False]


def test_the_playbook_s_own_reason_and_next_step_go_first(stage: Stage) -> None:
    facts = """
    - name: it is known
      ansible.builtin.set_fact:
        releve_rolled_back: true
        releve_reason: gate echo of green, p95 231 ms
        releve_next: look at the agent's log
    - ansible.builtin.fail:
        msg: migration stopped
"""
    done = stage.play(START + play("(2/3) GREEN: dark", GATE + facts))
    assert done.last == (
        "ROLLED BACK · gate echo of green, p95 231 ms. Next: look at the agent's log"
    )


def test_the_cause_is_found_through_included_tasks_and_tags(stage: Stage) -> None:
    """Ansible copies blocks when it filters tags, and hangs included tasks below them."""
    (stage.home / "gate.yml").write_text("- name: the gate holds\n  fail: {msg: too slow}\n")
    (stage.home / "undo.yml").write_text("- name: stop\n  fail: {msg: stopped}\n")
    blocks = """
- name: outer
  block:
    - include_tasks: gate.yml
  rescue:
    - include_tasks: undo.yml
"""
    done = stage.play(START + play("(2/3) GREEN: dark", blocks), "--skip-tags", "something")
    assert done.last.startswith("FAILED (2/3) GREEN · the gate holds: too slow. Next: ")


def test_ignored_and_rescued_failures_are_not_failures(stage: Stage) -> None:
    ignored = "- command: 'false'\n  ignore_errors: true\n"
    done = stage.play(START + play("(2/3) GREEN: dark", ignored + GATE))
    assert done.code == 0
    assert done.last.startswith("DONE · migrate in ")
    assert done.evidence("end.json")["verdict"] == "pass"
    assert [line["rescued"] for line in done.evidence("failures.jsonl")] == [True]
    assert done.evidence("steps.jsonl")[1]["outcome"] == "ok"


def test_a_rescued_failure_is_not_taken_for_a_later_one(stage: Stage) -> None:
    later = "- name: the disk has room\n  command: sh -c 'echo no room >&2; exit 3'\n"
    done = stage.play(
        START + play("(2/3) GREEN: dark", GATE) + play("(3/3) BACKUP: a snapshot is taken", later)
    )
    assert done.last == (
        "FAILED (3/3) BACKUP · the disk has room: non-zero return code: no room. "
        "Next: ansible-playbook rollback.yml"
    )


def test_what_a_task_must_not_log_is_never_said(stage: Stage) -> None:
    """In what is ours: the last line, the table, the evidence and the reports."""
    shell = "echo s3cr3t >&2; exit 3"
    secret = "- name: keys are written\n  fail: {msg: s3cr3t}\n  no_log: true\n"
    loop = f"- name: keys\n  shell: '{{{{ item }}}}'\n  no_log: true\n  loop: ['{shell}']\n"
    for tasks in (secret, loop):
        done = stage.play(START + play("(2/3) KEYS: x", tasks))
        assert "its output is hidden (no_log)" in done.last
        ours = next(n for n, line in enumerate(done.lines) if line.startswith("PLAY RECAP"))
        assert "s3cr3t" not in "\n".join(done.lines[ours:])
        reports = (stage.home / "var/reports" / RUN_ID).rglob("*.*")
        assert not [path for path in reports if "s3cr3t" in path.read_text()]


def test_an_unreachable_host_is_a_failure_no_rescue_takes(stage: Stage) -> None:
    unreachable = """
- name: outer
  block:
    - name: hello
      ansible.builtin.ping:
      vars: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}
  rescue:
    - debug: {msg: never}
"""
    done = stage.play(START + play("(2/3) GREEN: dark", unreachable))
    assert done.code == 4
    assert done.last.startswith("FAILED (2/3) GREEN · hello: localhost cannot be reached: ")


def test_a_verb_without_a_run_speaks_only_when_it_fails(stage: Stage) -> None:
    done = stage.play(play("status", "- name: hello\n  debug: {msg: hi}"), verb="status")
    assert done.code == 0
    assert done.last.startswith("localhost ")
    done = stage.play(
        play("status", "- name: hello\n  fail: {msg: the socket is gone}"), verb="status"
    )
    assert done.last == (
        "FAILED · hello: the socket is gone. Next: mend it, then ansible-playbook status.yml"
    )
    assert not (stage.home / "var").exists()


def test_check_mode_writes_nothing(stage: Stage) -> None:
    done = stage.play(START, "--check")
    assert done.code == 0
    assert not (stage.home / "var").exists()


def test_a_report_that_cannot_be_written_is_said_in_the_last_line(stage: Stage) -> None:
    blocked = "- file: {path: '{{ releve_run_dir }}/report.json', state: directory}\n"
    done = stage.play(START + play("(2/3) FLIP: x", blocked))
    assert done.code == 0
    assert "THE REPORT IS NOT WHOLE: " in done.last
    assert done.last.endswith("Next: mend it, then releve report write var/reports/latest")


def test_bad_evidence_is_said_in_the_last_line(stage: Stage) -> None:
    bad = "- copy: {content: '{', dest: '{{ releve_run_dir }}/evidence/flip.json'}\n"
    done = stage.play(START + play("(2/3) FLIP: x", bad))
    assert "THE REPORT IS NOT WHOLE: evidence/flip.json cannot be used" in done.last
    assert done.report()["flip"] is None


def test_an_error_that_stops_ansible_itself_still_ends_the_run(stage: Stage) -> None:
    done = stage.play(START + "\n- name: '(2/3) GREEN: dark'\n  hosts: '{{ nobody }}'\n")
    assert done.code not in (0, 2)
    assert done.last == (
        "FAILED (1/3) PREFLIGHT · Ansible stopped with the error above. "
        "Next: mend it, then ansible-playbook migrate.yml"
    )
    assert done.evidence("end.json")["verdict"] == "failed"


INTERRUPTED = (
    "FAILED (2/3) ADOPT · interrupted. "
    "Next: the same command goes on, ansible-playbook rollback.yml goes back"
)

# Killed like this, a worker leaves Ansible waiting for the queue's lock, for good.
HOLD = """
import time
from ansible.executor.process import worker
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        worker.current_worker._final_q._wlock.acquire()
        (open("holds", "w")).close()
        time.sleep(60)
"""

# Names are templated in Ansible's own process; what is raised in a destructor is only printed.
LOSE = """
import os, signal

class Loser:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)

def lose(text):
    Loser()
    return text

class FilterModule:
    def filters(self):
        return {"lose": lose}
"""


def interrupted(
    stage: Stage, tasks: str, until: Callable[[str], bool], start: str = START
) -> Played:
    """Play ADOPT with `tasks`, and press Ctrl-C at the line for which `until` says so."""
    process = subprocess.Popen(
        stage.command(start + play("(2/3) ADOPT: x", tasks)),
        cwd=stage.home,
        env=stage.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line.rstrip())
        if until(line):
            process.send_signal(signal.SIGINT)
            break
    rest, _ = process.communicate(timeout=30)
    return Played(process.returncode, seen + rest.rstrip().splitlines(), stage.home)


def test_ctrl_c_ends_the_run_and_says_both_ways_on(stage: Stage) -> None:
    done = interrupted(
        stage, "- name: wait\n  command: sleep 30", lambda line: line.startswith("TASK [wait]")
    )
    assert done.code == 99
    assert done.last == INTERRUPTED
    assert done.report()["run"]["verdict"] == "failed"
    assert done.report()["run"]["reason"] == "interrupted"


def test_ctrl_c_names_no_way_back_where_nothing_was_moved(stage: Stage) -> None:
    probe = "- set_fact: {releve_run_dir: '{{ playbook_dir }}/20250601T101500Z-probe-0a1b'}"
    tasks = f"{probe}\n- name: wait\n  command: sleep 30"
    done = interrupted(stage, tasks, lambda line: line.startswith("TASK [wait]"), start="")
    assert done.last == "FAILED (2/3) ADOPT · interrupted. Next: the same command goes on"


def test_ctrl_c_in_a_migrations_preflight_names_no_way_back(stage: Stage) -> None:
    waits = START.rstrip("\n") + "\n    - name: wait\n      ansible.builtin.command: sleep 30\n"
    done = interrupted(
        stage, "- meta: noop", lambda line: line.startswith("TASK [wait]"), start=waits
    )
    assert done.last == "FAILED (1/3) PREFLIGHT · interrupted. Next: the same command goes on"


def test_ctrl_c_ends_a_run_in_which_ansible_hangs(stage: Stage) -> None:
    (stage.home / "action_plugins").mkdir()
    (stage.home / "action_plugins" / "hold.py").write_text(HOLD)

    def holds(line: str) -> bool:
        while line.startswith("TASK [hold]") and not (stage.home / "holds").exists():
            time.sleep(0.05)
        return line.startswith("TASK [hold]")

    done = interrupted(stage, "- name: hold\n  hold:", holds)
    assert done.code == 99
    assert done.last == INTERRUPTED
    assert done.report()["run"]["reason"] == "interrupted"


def test_ctrl_c_that_ansible_loses_still_ends_the_run(stage: Stage) -> None:
    (stage.home / "filter_plugins").mkdir()
    (stage.home / "filter_plugins" / "lose.py").write_text(LOSE)
    tasks = """
    - name: "{{ 'lost' | lose }}"
      command: "true"
    - name: never
      command: touch never
    """
    done = interrupted(stage, tasks, lambda line: False)
    assert done.code == 99
    assert done.last == INTERRUPTED
    assert not (done.home / "never").exists()
