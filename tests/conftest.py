"""Who runs beside whom: `pytest -n` gives each of these scopes to one worker as a whole."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A stack with its calls keeps more than a core busy: two at a time would starve each other.
STACKS = (
    "tests/e2e/test_migration.py",
    "tests/e2e/test_restart.py",
    "tests/e2e/test_molecule.py",
)


class Scopes(LoadScopeScheduling):
    """Tests of one file share its servers; whole stacks come one after the other."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "stacks" if file in STACKS else file


# Not `--dist loadgroup`: xdist 3.8 finds no group of pytest 9.2's items.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scopes:
    return Scopes(config, log)
