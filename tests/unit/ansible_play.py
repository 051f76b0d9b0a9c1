"""A play of a test's own, on this machine and this Python."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FILTERS = Path(__file__).parents[2] / "plugins/filter"


def played(
    folder: Path, *options: str, hosts: str = "localhost", **env: str
) -> subprocess.CompletedProcess[str]:
    """play.yml of that folder, to its end; `env` is added to the environment."""
    return subprocess.run(
        [
            Path(sys.executable).parent / "ansible-playbook",
            *(f"--inventory={hosts},", "--connection=local", folder / "play.yml"),
            f"--extra-vars=ansible_python_interpreter={sys.executable}",
            *options,
        ],
        env=os.environ | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_FILTER_PLUGINS": str(FILTERS)} | env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
