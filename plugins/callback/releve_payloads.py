"""Ansible callback: a module is packed for its target once, and not again in every run.

At the first use of a module Ansible reads and packs it with all that it imports: half a second of a
processor, for each of the thirty modules of a migration, beside people who talk. What it packed it
keeps in a folder of the run's temporary directory; here that folder is one that stays, named by all
that packing depends on. An Ansible that kept it elsewhere would pack as it always did.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import ansible
from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

DOCUMENTATION = """
name: releve_payloads
type: aggregate
short_description: modules that are packed once
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
    """All of it happens before the first task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "releve_payloads"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        seen = hashlib.sha256(f"{__version__} {sys.version}\n".encode())
        for path in _sources():
            found = path.stat()
            seen.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
        mine = PAYLOADS / seen.hexdigest()[:16]
        # Nobody else's: Ansible believes what it reads there.
        mine.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(mine)
        for other in PAYLOADS.iterdir():
            if other.stat().st_mtime < time.time() - WEEK:
                shutil.rmtree(other, ignore_errors=True)  # another run may be at it
        Path(C.DEFAULT_LOCAL_TMP, "ansiballz_cache").symlink_to(mine)


def _sources() -> Iterator[Path]:
    """Our modules, and what tells the release of everybody else's."""
    for folder in ("modules", "module_utils"):
        yield from sorted((REPOSITORY / "plugins" / folder).glob("*.py"))
    beside = Path(ansible.__file__).parents[1]
    for place in [*map(Path, C.COLLECTIONS_PATHS), beside]:
        yield from sorted(place.glob("ansible_collections/*/*/MANIFEST.json"))
