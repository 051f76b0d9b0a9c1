"""What is there is replaced only by what is whole."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from module_utils.backup.archive import NotWholeError, open_archive
from module_utils.backup.contents import BackupError
from module_utils.backup.disk_space import need_room
from module_utils.restore.put_back import put_back

from .backup_standin import Site, empty_repository, flip_a_byte, site

__all__ = ["empty_repository", "site"]


def names(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir())


def spoil_the_largest_pack(site: Site) -> None:
    packs = [path for path in (site.home / "restic" / "data").rglob("*") if path.is_file()]
    flip_a_byte(max(packs, key=lambda path: path.stat().st_size))


def test_what_came_later_goes_and_what_was_there_comes_back(site: Site) -> None:
    site.backup("run1").go()
    (site.project / "docker-compose.yml").unlink()
    (site.project / "later").touch()
    leftover = site.project.parent / ".project.releve-new"  # of a restore that was killed
    leftover.mkdir()
    put_back(open_archive(site.restic(), "latest"), site.trees[0], site.project)
    assert names(site.project) == ["docker-compose.yml"]
    assert not leftover.exists()


def test_what_cannot_come_back_whole_is_left_as_it_is_and_the_rest_comes_back(site: Site) -> None:
    (site.project / "big").write_bytes(os.urandom(2_000_000))
    site.backup("run1").go()
    spoil_the_largest_pack(site)
    (site.project / "later").touch()
    (site.volume / "later").touch()
    archive = open_archive(site.restic(), "latest")
    with pytest.raises(BackupError, match="cannot be restored whole, and was left as it is"):
        put_back(archive, site.trees[0], site.project)
    assert names(site.project) == ["big", "docker-compose.yml", "later"]
    put_back(archive, site.trees[1], site.volume)
    assert names(site.volume) == ["one.json"]
    assert not list(site.root.rglob(".*.releve-*"))


def test_a_volume_that_lies_elsewhere_now_is_restored_there(site: Site, tmp_path: Path) -> None:
    site.backup("run1").go()
    elsewhere = tmp_path / "other-engine" / "data" / "_data"
    put_back(open_archive(site.restic(), "latest"), site.trees[1], elsewhere)
    assert names(elsewhere) == ["one.json"]


def test_a_restore_that_was_killed_in_between_loses_nothing(site: Site) -> None:
    (site.project / "big").write_bytes(os.urandom(2_000_000))
    site.backup("run1").go()
    (site.project / "later").touch()
    site.project.rename(site.project.parent / ".project.releve-old")  # there it was killed
    spoil_the_largest_pack(site)
    archive = open_archive(site.restic(), "latest")
    with pytest.raises(NotWholeError, match="was left as it is"):
        put_back(archive, site.trees[0], site.project)
    assert names(site.project) == ["big", "docker-compose.yml", "later"]
    assert not list(site.root.rglob(".*.releve-*"))


def test_a_disk_without_room_for_all_that_goes_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    need_room([(tmp_path / "a" / "b", 2_000_000), (tmp_path / "c", 2_000_000)])
    need_room([(tmp_path / "a", 3_000_000), (Path("/proc"), 3_000_000)])  # another disk
    with pytest.raises(BackupError, match=r"has 5 MB free and what .* 6 MB; make room. Nothing"):
        need_room([(tmp_path / "a" / "b", 3_000_000), (tmp_path / "c", 3_000_000)])
