"""Evidence comes from the target without a module, and an earlier run's is never taken for it."""

from __future__ import annotations

from pathlib import Path

from .ansible_play import played

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - set_fact: {releve_run_dir: "{{ playbook_dir }}/run"}
    - releve_watched:
        module: ansible.builtin.command
        args: {argv: [cp, "{{ playbook_dir }}/measured", "{{ playbook_dir }}/it's left"]}
        progress: ["true"]
        fresh: ["{{ playbook_dir }}/it's left", "{{ playbook_dir }}/of an earlier run"]
    - releve_evidence: {name: probe.json, of: "{{ playbook_dir }}/it's left"}
    - releve_evidence: {name: never.json, of: "{{ playbook_dir }}/of an earlier run"}
      register: nothing
      failed_when: "'No such file' not in nothing.msg"
"""


def test_what_is_left_on_the_target_is_kept_as_it_is(tmp_path: Path) -> None:
    text = '{"heard": "où est-il ?",\n "ms": 148}\n'
    (tmp_path / "measured").write_text(text)
    (tmp_path / "of an earlier run").write_text(text)
    (tmp_path / "play.yml").write_text(PLAY)
    done = played(tmp_path, ANSIBLE_ACTION_PLUGINS=str(ROOT / "plugins/action"))
    assert done.returncode == 0, done.stdout
    kept = tmp_path / "run/evidence"
    assert [path.name for path in kept.iterdir()] == ["probe.json"]
    assert (kept / "probe.json").read_text() == text
