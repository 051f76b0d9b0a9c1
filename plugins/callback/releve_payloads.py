"""Ansible callback: a module is packed and compiled once, and not again in every run.

At the first use of a module Ansible reads and packs it with all that it imports: half a second of a
processor, for each of the thirty modules of a migration, beside people who talk. What it packed it
keeps in a folder of the run's temporary directory; here that folder is one that stays, named by all
that packing depends on. An Ansible that kept it elsewhere would pack as it always did.

Packed are sources, and a target would compile all that a module imports each time it runs it: two
fifths of what a module costs there. So bytecode is put beside them, which a Python of another
version passes over. And a target that is this machine reads it in one go, whatever the environment
says of Python.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import importlib.util
import io
import marshal
import os
import pickle
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import ansible
from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = """
name: releve_payloads
type: aggregate
short_description: modules that are packed and compiled once
description:
  - Keeps the modules that Ansible packs for targets in C(var/cache/payloads) of this repository,
    for the next run. Another Ansible, collection or module makes a new folder; those that nobody
    used for a week are removed.
requirements:
  - C(callbacks_enabled = releve_payloads)
"""

REPOSITORY = Path(__file__).resolve().parents[2]
PAYLOADS = REPOSITORY / "var" / "cache" / "payloads"
WEEK = 7 * 24 * 3600


class CallbackModule(CallbackBase):
    """Tells Ansible its folder before the first task, and compiles what is new after the last."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "releve_payloads"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        # With this, the Python of a local module would read it from its pipe byte by byte.
        os.environ.pop("PYTHONUNBUFFERED", None)
        seen = hashlib.sha256(f"{__version__} {sys.version}\n".encode())
        for path in _sources():
            found = path.stat()
            seen.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
        self._mine = mine = PAYLOADS / seen.hexdigest()[:16]
        # Nobody else's: Ansible believes what it reads there.
        mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(mine)
        for other in PAYLOADS.iterdir():
            if other.stat().st_mtime < time.time() - WEEK:
                shutil.rmtree(other, ignore_errors=True)  # another run may be at it
        Path(C.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(mine)

    def v2_playbook_on_stats(self, stats: object) -> None:
        for packed in self._mine.glob("*-ZIP_*-none"):
            compiled = packed.with_name(f"{packed.name}.compiled")
            if not compiled.exists():
                _compile(packed)
                compiled.touch()


def _compile(packed: Path) -> None:
    """Put bytecode into what Ansible packed: a pickle with a zip in it."""
    module = pickle.loads(packed.read_bytes())  # noqa: S301 (the folder is its owner's alone)
    zipped = io.BytesIO(base64.b64decode(module.zip_data))
    with zipfile.ZipFile(zipped, "a", zipfile.ZIP_DEFLATED) as archive:
        there = set(archive.namelist())
        # Some have it already where a run was ended in the midst of this.
        for name in sorted(n for n in there if n.endswith(".py") and f"{n}c" not in there):
            beside = zipfile.ZipInfo(f"{name}c", archive.getinfo(name).date_time)
            archive.writestr(beside, _bytecode(name, archive.read(name)), zipfile.ZIP_DEFLATED)
    part = packed.with_name(f"{packed.name}.{os.getpid()}")
    compiled = dataclasses.replace(module, zip_data=base64.b64encode(zipped.getvalue()))
    part.write_bytes(pickle.dumps(compiled))
    part.rename(packed)


@functools.cache  # modules import the same
def _bytecode(name: str, source: bytes) -> bytes:
    """A .pyc that is taken for what its source says, without a look at it (PEP 552)."""
    code = compile(source, name, "exec", dont_inherit=True)
    return importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8) + marshal.dumps(code)


def _sources() -> Iterator[Path]:
    """Our modules, and what tells the release of everybody else's."""
    for folder in ("modules", "module_utils"):
        yield from sorted((REPOSITORY / "plugins" / folder).glob("*.py"))
    beside = Path(ansible.__file__).parents[1]
    for place in [*map(Path, C.COLLECTIONS_PATHS), beside]:
        yield from sorted(place.glob("ansible_collections/*/*/MANIFEST.json"))
