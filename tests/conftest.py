"""Who runs beside whom: `pytest -n` gives each of these scopes to one worker as a whole."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A stack with its held calls keeps more than a core busy, and two of them at a time would starve
# each other: so stacks come one after the other, and beside them what makes do with the rest.
STACKS = "tests/e2e/"
NO_STACK = ("tests/e2e/test_gateway_replaced.py", "tests/e2e/test_upgrade_code.py")
# A machine that is late spoils these first; at the end the fewest others are beside them.
LAST = (
    "tests/integration/test_coach.py",
    "tests/integration/test_parity.py",
    "tests/integration/test_probe_compare.py",
)


class Scopes(LoadScopeScheduling):
    """Tests of one file share their servers."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "stacks" if file.startswith(STACKS) and file not in NO_STACK else file


# Not `--dist loadgroup`: xdist 3.8 finds no group of pytest 9.2's items.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scopes:
    return Scopes(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.nodeid.startswith(LAST))
