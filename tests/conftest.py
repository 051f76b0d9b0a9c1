"""Who runs beside whom: `pytest -n` gives each of these scopes to one worker as a whole."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Calls are audio in real time, and a stack with its calls keeps more than a core busy: two of those
# at a time would starve each other. So all that place calls come one after the other, and what
# places none, the unit tests first of all, runs beside them.
CALLS = ("tests/e2e/", "tests/integration/")
NO_CALLS = (
    "tests/e2e/test_gateway_replaced.py",
    "tests/integration/test_backup_engine.py",
    "tests/integration/test_demo_reset.py",
    "tests/integration/test_gateway_rooms.py",
    "tests/integration/test_speech.py",
)


class Scopes(LoadScopeScheduling):
    """Tests of one file share its servers."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "calls" if file.startswith(CALLS) and file not in NO_CALLS else file


# Not `--dist loadgroup`: xdist 3.8 finds no group of pytest 9.2's items.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scopes:
    return Scopes(config, log)
