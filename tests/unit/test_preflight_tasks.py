"""The look at everything before a run, where something that it needs is missing."""

from __future__ import annotations

from pathlib import Path

from .ansible_play import played

ROOT = Path(__file__).parents[2]
PLAY = """
- hosts: localhost
  gather_facts: false
  vars: {images_found: {base: {id: b}}}
  tasks:
    - include_tasks: PREFLIGHT
"""


def test_a_check_without_the_image_of_the_probes_says_how_to_have_it(tmp_path: Path) -> None:
    for role in ("container_engine", "images"):
        (tmp_path / "roles" / role / "tasks").mkdir(parents=True)
        (tmp_path / "roles" / role / "tasks/main.yml").write_text("[]")
    play = PLAY.replace("PREFLIGHT", str(ROOT / "playbooks/tasks/preflight.yml"))
    (tmp_path / "play.yml").write_text(play)
    done = played(tmp_path, "--check", ANSIBLE_ROLES_PATH=str(tmp_path / "roles"))
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, said
    assert "the image `releve` is not on localhost, or was built from other sources" in said
    assert "playbooks/images.yml; then run this again" in said
