"""A module is packed and compiled once, read in one go, and never an old one taken for it."""

from __future__ import annotations

import base64
import dataclasses
import importlib.util
import io
import pickle
import shutil
import zipfile
from pathlib import Path

from .ansible_play import played

PLUGIN = Path(__file__).parents[2] / "plugins/callback/releve_payloads.py"
MODULE = """#!/usr/bin/python
import os
from ansible.module_utils.basic import AnsibleModule
byte_by_byte = " byte by byte" if os.environ.get("PYTHONUNBUFFERED") else ""
AnsibleModule(argument_spec={}).exit_json(msg="SAID" + byte_by_byte)
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - speak:
      register: heard
    - debug: {msg: "it said {{ heard.msg }}"}
"""


def said(repository: Path) -> str:
    done = played(
        repository,
        ANSIBLE_CALLBACK_PLUGINS=str(repository / "plugins/callback"),
        ANSIBLE_CALLBACKS_ENABLED="releve_payloads",
        ANSIBLE_LIBRARY=str(repository / "plugins/modules"),
        PYTHONUNBUFFERED="1",  # as images with a Python have it
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "byte by byte" not in done.stdout
    return done.stdout


def test_a_module_is_packed_once_and_again_when_it_is_another(tmp_path: Path) -> None:
    for kind in ("callback", "modules", "module_utils"):
        (tmp_path / "plugins" / kind).mkdir(parents=True)
    shutil.copy(PLUGIN, tmp_path / "plugins/callback")
    module = tmp_path / "plugins/modules/speak.py"
    module.write_text(MODULE.replace("SAID", "one"))
    (tmp_path / "play.yml").write_text(PLAY)

    def packed() -> dict[Path, int]:
        found = (tmp_path / "var/cache/payloads").glob("*/*speak-*none")
        return {path: path.stat().st_mtime_ns for path in found}

    assert "it said one" in said(tmp_path)
    # What runs is the bytecode; another Python passes over it.
    for magic, heard in ((importlib.util.MAGIC_NUMBER, "six"), (b"none", "one")):
        (of_one,) = packed()
        change_bytecode(of_one, magic)
        first = packed()
        assert f"it said {heard}" in said(tmp_path)
        assert packed() == first
    module.write_text(MODULE.replace("SAID", "two"))
    assert "it said two" in said(tmp_path)
    assert len(packed()) == 2
    for folder in (tmp_path / "var/cache/payloads").iterdir():
        assert folder.stat().st_mode & 0o777 == 0o700


def change_bytecode(packed: Path, magic: bytes) -> None:
    """Let it say "six" instead of "one", to a Python of that magic number."""
    module = pickle.loads(packed.read_bytes())  # noqa: S301 (what the play before it wrote)
    before = zipfile.ZipFile(io.BytesIO(base64.b64decode(module.zip_data)))
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename.endswith("speak.pyc"):
                content = magic + content[4:].replace(b"one", b"six")
            after.writestr(info, content)
    encoded = base64.b64encode(zipped.getvalue())
    packed.write_bytes(pickle.dumps(dataclasses.replace(module, zip_data=encoded)))
