"""The state folder: one controller works in it, with one journal for each rollout."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from releve.rollout import journal
from releve.rollout.journal import Journal
from releve.rollout.plan import Plan, PlanError

JOURNAL = "journal.jsonl"
"""The last rollout's; those before are `<id>.jsonl`."""


class InUse(Exception):
    """Another controller has the folder."""


@contextmanager
def opened(plan: Plan, folder: Path) -> Iterator[Journal]:
    """The plan's journal, with its first entry; that of the rollout before is put aside.

    Raises InUse, PlanError where the id was used before, JournalError and OSError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InUse(f"another controller works in {folder}; end it first") from None
        current = _journal(plan, folder)
        try:
            yield current
        finally:
            current.close()


def _journal(plan: Plan, folder: Path) -> Journal:
    if (folder / f"{plan.id}.jsonl").exists():
        raise PlanError(f"rollout {plan.id} was there before; give this one an id of its own")
    found = Journal(folder / JOURNAL)
    if found.entries:
        begun = found.entries[0].facts["plan"]
        if begun == plan.kept():
            return found
        found.close()
        if begun["id"] == plan.id:
            raise PlanError(
                f"rollout {plan.id} has begun with another plan; give this one its own id"
            )
        found.path.rename(folder / f"{begun['id']}.jsonl")
        found = Journal(folder / JOURNAL)
    found.append(journal.happened("began", {"plan": plan.kept()}))
    return found
