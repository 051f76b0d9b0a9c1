"""What the modules of the backup have in common: their options, and the repository."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from ..restic.process import TIED
from ..restic.repository import Restic, ResticError

REPOSITORY: dict[str, Any] = {
    "stack": {"type": "str", "required": True},
    "run": {"type": "str", "required": True},
    "home": {"type": "path", "required": True},
    "repository": {"type": "str", "required": True},
    # The file's name is no secret; Ansible guesses otherwise.
    "password_file": {"type": "path", "required": True, "no_log": False},
    "environment": {"type": "dict", "default": {}},
}


def repository(module: Any) -> Restic:
    """The repository of a module's options. What it does now is one line in the file `progress` of
    `home`, which the action plugin releve_backup shows on the console.

    Raises ResticError when this host lacks a tool.
    """
    missing = [tool for tool in ("restic", "docker", TIED[0]) if shutil.which(tool) is None]
    if missing:
        raise ResticError(f"this host has no {', '.join(missing)}; run playbooks/engine.yml")
    params = module.params
    secret = re.search(r"//[^/@]*:([^/@]+)@", params["repository"])
    if secret:  # Ansible shows a module's options under -vvv
        module.no_log_values.add(secret.group(1))
    home = Path(params["home"])

    step = ""

    def tell(text: str, amount: str = "") -> None:
        nonlocal step
        step = text
        if home.is_dir():
            line = f"{params['run']}: {step}{', ' if amount else ''}{amount}\n"
            (home / "progress").write_text(line, encoding="utf-8")

    return Restic(
        location=params["repository"],
        home=home,
        password_file=Path(params["password_file"]),
        host=params["stack"],
        environment={key: str(value) for key, value in params["environment"].items()},
        progress=tell,
        amount=lambda text: tell(step, text),
    )
