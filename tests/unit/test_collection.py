"""The tree is also the collection releve.livekit."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tarfile.TarFile:
    """From a copy without the big folders; among what else lies about is bytecode."""
    tree, out = tmp_path_factory.mktemp("built") / "tree", tmp_path_factory.mktemp("out")
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "var", ".*_cache"))
    for folder in (".venv", "var", "src/releve/__pycache__"):
        (tree / folder).mkdir(parents=True, exist_ok=True)
        (tree / folder / "of_this_machine.pyc").touch()
    galaxy = Path(sys.executable).with_name("ansible-galaxy")
    subprocess.run(
        [galaxy, "collection", "build", "--output-path", out], cwd=tree, check=True, timeout=120
    )
    return tarfile.open(next(out.glob("releve-livekit-*.tar.gz")))


def test_it_has_what_a_run_needs_and_not_what_tests_need(built: tarfile.TarFile) -> None:
    names = set(built.getnames())
    wanted = {
        "migrate.yml",
        "playbooks/preflight.yml",
        "roles/stack/tasks/main.yml",
        "plugins/modules/releve_backup.py",
        "plugins/action/releve_lock.py",
        "meta/runtime.yml",
        "src/releve/cli.py",
        "images/releve/Dockerfile",
        "requirements/releve.txt",
        "agent_src/green/agent.py",
        "docs/settings.md",
        "README.md",
        "CHANGELOG.md",
    }
    assert wanted <= names
    folders = {name.split("/")[0] for name in names}
    assert not folders & {"tests", "molecule", "bench", "var", ".git", ".venv"}
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]


def test_its_version_and_dependencies_are_the_projects(built: tarfile.TarFile) -> None:
    manifest = built.extractfile("MANIFEST.json")
    assert manifest
    info = json.load(manifest)["collection_info"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (info["namespace"], info["name"]) == ("releve", "livekit")
    assert info["version"] == project["version"]
    wanted = yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]
    assert info["dependencies"] == {each["name"]: each["version"] for each in wanted}
