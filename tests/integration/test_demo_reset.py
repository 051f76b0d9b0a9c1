"""What the demo leaves behind goes, and nothing else. On a real engine, with a stack of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from .tiny_image import tiny_image

ROOT = Path(__file__).parents[2]
RESET = f"""
- hosts: eloquence
  gather_facts: false
  vars_files: [{ROOT}/playbooks/vars/demo.yml]
  tasks: [include_tasks: {ROOT}/playbooks/tasks/demo_reset.yml]
"""


@dataclass
class Demo:
    """Two networks of one name, an ended container on the first, and folders as Relève's are."""

    client: Any
    name: str
    root: Path

    @property
    def folders(self) -> dict[str, Path]:
        names = ("releve_dir", "releve_run", "backup_dir", "backup_scratch")
        return {name: self.root / name / self.name for name in names}

    def networks(self) -> set[str]:
        return {item.id for item in self.client.networks.list(names=[f"{self.name}_default"])}

    @property
    def project(self) -> Path:
        return Path("/opt", self.name)

    def mark(self) -> None:
        """As demo_up.yml does."""
        self.project.mkdir(exist_ok=True)
        (self.project / ".releve-demo").touch()

    def play(self, playbook: Path) -> None:
        done = self.played(playbook)
        assert done.returncode == 0, done.stdout + done.stderr

    def played(self, playbook: Path, **more: str) -> subprocess.CompletedProcess[str]:
        given = {"stack": self.name, "demo_keep_images": "true"} | self.folders | more
        return subprocess.run(
            [
                *(Path(sys.executable).parent / "ansible-playbook", playbook),
                f"--inventory={ROOT}/inventories/demo",
                *(f"--extra-vars={name}={value}" for name, value in given.items()),
            ],
            env=os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    client = docker.from_env()
    found = Demo(client, f"releve-test-demo-{os.getpid()}", tmp_path)
    label = {"com.docker.compose.project": found.name}
    image = f"{found.name}:1"
    try:
        tiny_image(client, found.name)
        default = f"{found.name}_default"
        client.networks.create(default, labels=label)
        done = client.containers.run(
            image, ["/sleep", "0"], labels=label, network=default, detach=True
        )
        done.wait()  # ended: the engine does not show it on its network any more
        client.networks.create(default, labels=label)
        yield found
    finally:
        mine = {"label": f"com.docker.compose.project={found.name}"}
        for container in client.containers.list(all=True, filters=mine):
            container.remove(force=True)
        for network in client.networks.list(filters=mine):
            network.remove()
        client.images.remove(image, force=True)
        shutil.rmtree(f"/opt/{found.name}", ignore_errors=True)
        client.close()


def test_a_network_of_a_killed_run_goes_and_the_one_in_use_stays(demo: Demo) -> None:
    (demo.root / "reset.yml").write_text(RESET)
    (container,) = demo.client.containers.list(
        all=True, filters={"label": f"com.docker.compose.project={demo.name}"}
    )
    (used,) = [
        item["NetworkID"] for item in container.attrs["NetworkSettings"]["Networks"].values()
    ]
    assert len(demo.networks()) == 2
    demo.play(demo.root / "reset.yml")
    assert demo.networks() == {used}


@pytest.mark.parametrize("playbook", ["demo_down.yml", "demo_up.yml"])
def test_a_stack_that_is_not_the_demos_is_left_as_it_is(demo: Demo, playbook: str) -> None:
    demo.folders["backup_dir"].mkdir(parents=True)
    before = demo.networks()
    done = demo.played(ROOT / "playbooks" / playbook)
    said = " ".join(done.stdout.split())
    assert done.returncode != 0
    assert f"the stack {demo.name} on demo was not made by demo_up.yml" in said
    assert f"-e confirm={demo.name}" in said
    assert demo.networks() == before
    assert demo.folders["backup_dir"].is_dir()
    assert not demo.project.exists()


def test_a_stack_without_the_mark_goes_when_it_is_named(demo: Demo) -> None:
    done = demo.played(ROOT / "playbooks" / "demo_down.yml", confirm=demo.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert demo.networks() == set()
    # Nothing is there any more: there is nothing to refuse.
    demo.play(ROOT / "playbooks" / "demo_down.yml")


def test_containers_of_the_demos_own_agent_outlive_its_mark(demo: Demo) -> None:
    image = f"eloquence-agent:blue-{demo.name}"
    demo.client.images.get(f"{demo.name}:1").tag(image)
    label = {"com.docker.compose.project": demo.name}
    try:
        demo.client.containers.create(image, ["/sleep", "0"], labels=label)
        demo.play(ROOT / "playbooks" / "demo_down.yml")
    finally:
        demo.client.images.remove(image, force=True)
    assert demo.networks() == set()


def test_after_demo_down_no_folder_is_left_but_those_of_another_stack(demo: Demo) -> None:
    demo.mark()
    for folder in demo.folders.values():
        folder.mkdir(parents=True)
        (folder / "file").touch()
    other = demo.folders["backup_dir"].parent / "other"
    other.mkdir()
    demo.play(ROOT / "playbooks" / "demo_down.yml")
    assert [path for path in demo.root.rglob("*") if path.is_dir()] == [other.parent, other]
    assert demo.networks() == set()
