"""Writes a file of evidence. Standard library only: every Ansible run imports it."""

from __future__ import annotations

import json
import os
from pathlib import Path


def keep(run_dir: str | Path, name: str, content: object) -> None:
    """Write text or JSON data to evidence/`name`, atomically.

    Raises OSError.
    """
    path = Path(run_dir, "evidence", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{name}.{os.getpid()}")
    draft.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    draft.replace(path)
