"""The override file of the user's Compose project: what Relève has changed of its services.

Compose reads it by itself, beside the project's own file. It is JSON, which YAML includes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARK = "# Written by Relève"
HEAD = f"{MARK} (docs/operations.md): what it has changed of this project's services.\n"
BASES = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
NAMES = tuple(name.replace(".y", ".override.y") for name in BASES)


def there(project: Path) -> list[Path]:
    """The override files of that folder, whoever wrote them."""
    return [project / name for name in NAMES if (project / name).exists()]


def is_ours(file: Path) -> bool:
    """Whether Relève has written it."""
    return file.exists() and file.read_text(encoding="utf-8").startswith(MARK)


def services(file: Path) -> dict[str, Any]:
    """What a file of ours says, by service; nothing where there is none."""
    if not is_ours(file):
        return {}
    text = file.read_text(encoding="utf-8").partition("\n")[2]
    found: dict[str, Any] = json.loads(text.replace("$$", "$"))["services"]
    return found


def text(of: Mapping[str, Any], main: Path) -> str:
    """The whole file, beside the project's first one."""
    whole = {**_version(main), "services": dict(of)}
    # In Compose a dollar begins a variable.
    return HEAD + json.dumps(whole, indent=2, ensure_ascii=False).replace("$", "$$") + "\n"


def _version(main: Path) -> dict[str, str]:
    """As in the project's first file: Compose 1 refuses files of different versions."""
    read = main.read_text(encoding="utf-8") if main.is_file() else ""
    found = re.search(r"""^version:\s*["']?([\d.]+)""", read, re.MULTILINE)
    return {"version": found[1]} if found else {}
