"""Fixtures of the end-to-end tests: one "before" stack for each file. See harness.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.harness import Stage


@pytest.fixture(scope="session", autouse=True)
def _machine(machine: None) -> None:
    """Before any test here."""


# Not for the session: its calls would go on beside the tests of other files, and slow them down.
@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("e2e"))
    up = stage.play("playbooks/demo_up.yml")
    assert up.code == 0, up.output
    yield stage
    down = stage.play("playbooks/demo_down.yml", demo_keep_images=True)
    assert down.code == 0, down.output
