"""Who runs beside whom: `pytest -n` gives each of these scopes to one worker as a whole.

And what a session of several workers begins with: images, and what agents under test run on.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# A stack with its held calls keeps more than a core busy, and several of them at a time would
# starve each other: so all tests of one stack come one after the other, and calls that are
# measured, too. Beside both comes what makes do with the rest. Who is through first takes the
# other stack, on a host of its own, and the second what a machine that is late spoils first.
STACKS = "tests/e2e/"
MOLECULE = "tests/e2e/test_molecule.py"
NO_STACK = ("tests/e2e/test_gateway_replaced.py", "tests/e2e/test_upgrade_code.py")
# A worker that has two tests left, or one, has the next scope on top: without these the one after
# Molecule would wait for it, beside a worker with nothing to do.
BEHIND_MOLECULE = "tests/integration/test_speech.py"
MEASURED = ("tests/integration/test_probe", "tests/integration/test_upgrade.py")
DELICATE = tuple(
    f"tests/integration/test_{name}.py" for name in ("coach", "parity", "probe_compare")
)
YIELDS = 5  # by niceness; enough to be behind, and not so much that deadlines pass


class Scopes(LoadScopeScheduling):
    """One for each of three workers, and two more."""

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """What one worker takes as a whole."""
    file, _, _ = nodeid.partition("::")
    if file in (MOLECULE, BEHIND_MOLECULE):
        return "molecule"
    if file.startswith(STACKS) and file not in NO_STACK:
        return "stack"
    if file in DELICATE:
        return "delicate"
    return "measured" if file.startswith(MEASURED) else "rest"


# Not `--dist loadgroup`: xdist 3.8 finds no group of pytest 9.2's items.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scopes:
    return Scopes(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _turn(item.nodeid))


def _turn(nodeid: str) -> int:
    """The stack first: it takes longest. Beside the making of its images, what needs none.

    Containers of no more weight than any starve beside the green and the probes of a stack: they
    come when it is gone.
    """
    if nodeid.startswith("tests/unit/"):
        return 1
    if nodeid.startswith(NO_STACK):
        return 3
    return {"stack": 0, "molecule": 4, "delicate": 5}.get(scope(nodeid), 2)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The rest gives way to stacks and to calls that are measured: for them everybody waits.

    In a session of its own: Linux shares processors out by session (sched(7), autogroup), and
    niceness counts within one.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and scope(item.nodeid) == "rest" and os.nice(0) == 0:
        os.setsid()
        os.nice(YIELDS)
        with suppress(OSError):  # a kernel without autogroups
            Path("/proc/self/autogroup").write_text(str(YIELDS))


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """Images and agents' venvs, as this work tree wants them, made by the first worker that asks.

    Who runs a few tests alone makes them by hand, and not each time: `make images agents`.
    """
    if worker_id == "master":
        return
    made = tmp_path_factory.getbasetemp().parent / "made"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # Not as a part of the make that may have started us.
            env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
            command = ["make", "--jobs=2", "images", "agents"]
            root = Path(__file__).parents[1]
            done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            made.touch()
