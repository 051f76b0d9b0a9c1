"""The Molecule scenarios, each on a host of its own."""

from __future__ import annotations

import os
import subprocess

import pytest

from e2e.harness import BIN, ROOT


@pytest.mark.parametrize("scenario", ["default"])
def test_scenario(scenario: str) -> None:
    """`molecule test` passes; after an aborted run too, whose state `reset` forgets."""
    env = os.environ | {
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "ANSIBLE_NOCOLOR": "1",
    }
    for command in ("reset", "test"):
        done = subprocess.run(
            [BIN / "molecule", command, "--scenario-name", scenario],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1400,
        )
        assert done.returncode == 0, done.stdout[-20000:]  # the run's last lines say why
