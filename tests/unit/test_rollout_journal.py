"""The rollout's journal: what is in it survives, and what is damaged is a sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from releve.rollout import folder, journal
from releve.rollout.folder import InUse
from releve.rollout.journal import Journal, JournalError, happened
from releve.rollout.plan import PlanError
from unit.rollout_plans import plan


def test_entries_are_read_back_as_they_were(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    kept = Journal(file)
    told = [happened("step", {"step": 1, "weight": 25}), happened("back", {"reason": "é\n"})]
    for entry in told:
        kept.append(entry)
    kept.close()
    assert journal.read(file) == told
    assert Journal(file).entries == told
    assert file.stat().st_mode & 0o777 == 0o600


def test_each_entry_is_synced_before_append_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Journal(tmp_path / "journal.jsonl")
    synced: list[bytes] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        sync(handle)
        synced.append((tmp_path / "journal.jsonl").read_bytes())

    monkeypatch.setattr(os, "fsync", noted)
    entry = happened("paused", {"by": "me"})
    kept.append(entry)
    assert synced == [entry.line().encode()]


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_that_a_crash_cut_short_is_not_there(tmp_path: Path, cut: int) -> None:
    file = tmp_path / "journal.jsonl"
    first, last = happened("epoch", {"epoch": 4}), happened("paused", {"by": "me"})
    file.write_text(first.line() + last.line()[:cut])
    kept = Journal(file)
    assert kept.entries == [first]
    kept.append(last)
    assert journal.read(file) == [first, last]


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"event": "x", "t": 1}', "null"])
def test_a_damaged_line_is_a_sentence(tmp_path: Path, line: str) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_text(happened("epoch", {"epoch": 4}).line() + line + "\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl, line 2: damaged"):
        Journal(file)


def test_what_cannot_be_written_whole_is_not_there_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Journal(tmp_path / "journal.jsonl")
    entry = happened("epoch", {"epoch": 4})
    kept.append(entry)
    write = os.write
    room = [10]

    def full(handle: int, content: bytes) -> int:
        if not room:
            raise OSError(28, "No space left on device")
        return write(handle, content[: room.pop()])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        kept.append(happened("paused", {"by": "me"}))
    monkeypatch.undo()
    assert journal.read(kept.path) == kept.entries == [entry]
    kept.append(entry)
    assert journal.read(kept.path) == [entry, entry]


def test_a_rollout_goes_on_in_its_own_journal_and_the_next_one_has_another(tmp_path: Path) -> None:
    with folder.opened(plan(), tmp_path) as kept:
        kept.append(happened("epoch", {"epoch": 4}))
    with folder.opened(plan(), tmp_path) as kept:
        assert [entry.event for entry in kept.entries] == ["began", "epoch"]
    with folder.opened(plan(id="next"), tmp_path) as kept:
        assert [entry.event for entry in kept.entries] == ["began"]
    assert [e.event for e in journal.read(tmp_path / f"{plan().id}.jsonl")] == ["began", "epoch"]
    with pytest.raises(PlanError, match="was there before"), folder.opened(plan(), tmp_path):
        pass


def test_the_plan_of_a_rollout_does_not_change_but_for_its_urls(tmp_path: Path) -> None:
    with folder.opened(plan(), tmp_path):
        pass
    with folder.opened(plan(notify_urls=["https://example.com/hook"]), tmp_path) as kept:
        assert "example.com" not in kept.path.read_text()
    changed = plan(lease_seconds=6)
    with pytest.raises(PlanError, match="another plan"), folder.opened(changed, tmp_path):
        pass


def test_one_controller_at_a_time(tmp_path: Path) -> None:
    with (
        folder.opened(plan(), tmp_path),
        pytest.raises(InUse, match="another controller works in"),
        folder.opened(plan(), tmp_path),
    ):
        pass
    with folder.opened(plan(), tmp_path):
        pass
