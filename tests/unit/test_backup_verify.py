"""Verification finds what is damaged and names it; what is well passes. With a real restic."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from module_utils.backup.archive import open_archive, prove_images
from module_utils.backup.contents import BackupError
from module_utils.restore import compare as comparing
from module_utils.restore.compare import compare
from module_utils.restore.verify import backups, verify, write_mark

from .backup_standin import Site, empty_repository, flip_a_byte, site

__all__ = ["empty_repository", "site"]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two equal trees, of everything a file system knows."""
    trees = tmp_path / "live", tmp_path / "copy"
    for tree in trees:
        tree.mkdir()
        (tree / "file").write_text("content")
        (tree / "other").write_text("content")
        (tree / "copy").hardlink_to(tree / "file")
        (tree / "link").symlink_to("file")
        with (tree / "sparse").open("wb") as file:
            file.truncate(10_000_000)
        (tree / "folder").mkdir()
        os.setxattr(tree / "file", "user.mark", b"1")
        for path in ("file", "other", "sparse", "folder"):
            os.utime(tree / path, (1000, 1000))
        os.utime(tree, (1000, 1000))
    return trees


def fill(path: Path) -> None:
    path.write_bytes(b"\0" * 10_000_000)
    os.utime(path, (1000, 1000))


def rewrite(path: Path) -> None:
    path.write_text("CONTENT")
    os.utime(path, (1000, 1000))


def relink(path: Path) -> None:
    path.unlink()
    path.symlink_to("other")


def part(path: Path) -> None:
    path.unlink()
    path.write_text("content")
    os.utime(path, (1000, 1000))


CHANGES = {
    "the content differs": ("other", rewrite),
    "became 7:7": ("other", lambda path: os.chown(path, 7, 7)),
    "mode -rw": ("other", lambda path: path.chmod(0o755)),
    "the link leads elsewhere": ("link", relink),
    "extended attributes differ": ("file", lambda path: os.setxattr(path, "user.mark", b"2")),
    "its holes were filled": ("sparse", fill),
    "not in the backup": ("other", lambda path: path.unlink()),
    "bytes became 3": ("other", lambda path: os.truncate(path, 3)),
    "the time of its last change": ("other", lambda path: os.utime(path, (5, 5))),
    "no longer the same file": ("copy", part),
}


def test_equal_trees_are_equal(pair: tuple[Path, Path]) -> None:
    found = compare(*pair, since=time.time() + 60)
    assert (found.different, found.moved, found.compared) == ([], 0, 7)


@pytest.mark.parametrize("said", CHANGES)
def test_every_difference_is_named(pair: tuple[Path, Path], said: str) -> None:
    name, change = CHANGES[said]
    change(pair[1] / name)
    os.utime(pair[1], (1000, 1000))
    found = compare(*pair, since=time.time() + 60)
    assert any(said in line for line in found.different), found.different
    assert not any("/folder" in line or "/sparse" in line for line in found.different) or (
        name == "sparse"
    )


def test_what_changed_since_proves_nothing_and_is_counted(pair: tuple[Path, Path]) -> None:
    began = time.time() + 0.05
    while time.time() < began + 0.05:
        (pair[0] / "other").write_text("later")
    found = compare(*pair, since=began)
    assert found.different == []
    assert found.moved == 1


def test_what_goes_or_moves_meanwhile_proves_nothing(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    live, _ = pair
    for tree in pair:
        (tree / "folder" / "inside").write_text("old")
        os.utime(tree / "folder" / "inside", (1000, 1000))
    past = time.time() + 0.05
    while time.time() < past + 0.05:
        (live / "new").mkdir(exist_ok=True)
        (live / "new").rmdir()
    (live / "folder").rename(live / "renamed")  # what is in it has not changed since
    (live / "renamed").chmod(0o750)  # not every file system counts a rename as a change
    real = comparing._difference

    def difference(one: Path, *given: Any) -> str | None:
        if one.name == "other":
            one.write_text("while it is compared")
        if one.name == "link":
            one.unlink()
        return real(one, *given)

    monkeypatch.setattr(comparing, "_difference", difference)
    found = compare(*pair, since=past)
    assert found.different == []
    assert found.moved == 2


def test_a_whole_backup_is_proven(site: Site, tmp_path: Path) -> None:
    site.add_image(os.urandom(3_000_000))
    (site.volume / "é \n x").write_text("odd")
    tool = site.volume / "tool"
    tool.write_text("#!/bin/sh\n")
    os.chown(tool, 10001, 10001)
    tool.chmod(0o6755)  # which a change of owner takes away
    os.setxattr(tool, "user.mark", b"1")
    (site.volume / "same tool").hardlink_to(tool)
    os.mkfifo(site.volume / "pipe")
    with (site.volume / "sparse").open("wb") as file:
        file.seek(50_000_000)
        file.write(b"end")
    done = site.backup("run1").go()
    archive, found = verify(site.restic(), "latest", tmp_path / "scratch", "run2")
    assert found["wrong"] == []
    assert (found["snapshot"], found["images"], found["moved"]) == (done["snapshot"], 1, 0)
    assert found["compared"] == 9
    assert archive.run == "run1"
    back = tmp_path / "scratch" / site.volume.relative_to("/")
    assert (back / "sparse").stat().st_blocks * 512 < 1_000_000
    assert os.getxattr(back / "tool", "user.mark") == b"1"
    assert (back / "tool").samefile(back / "same tool")


def test_a_flipped_byte_is_found_and_named_and_the_rest_comes_back(
    site: Site, tmp_path: Path
) -> None:
    first = site.add_image(os.urandom(3_000_000))
    site.backup("run1").go()
    before = set((site.home / "restic" / "data").rglob("*"))
    second = site.add_image(os.urandom(3_000_000))
    site.backup("run2").go()
    packs = set((site.home / "restic" / "data").rglob("*")) - before
    pack = max((path for path in packs if path.is_file()), key=lambda path: path.stat().st_size)
    flip_a_byte(pack)
    archive, found = verify(site.restic(), "latest", tmp_path / "scratch", "run3")
    assert any(pack.name[:8] in line for line in found["wrong"]), found["wrong"]
    assert any(second.id in line for line in found["wrong"]), found["wrong"]
    assert not any(first.id in line for line in found["wrong"])
    assert not any(first.id in line for line in prove_images(archive))
    copy = tmp_path / "scratch" / site.volume.relative_to("/") / "one.json"
    assert copy.read_text() == "{}"


def test_a_flipped_byte_in_the_list_of_contents_is_named_too(site: Site, tmp_path: Path) -> None:
    site.backup("run1").go()
    lost = set()
    for pack in (site.home / "restic" / "data").rglob("*"):
        if pack.is_file():
            flip_a_byte(pack)
            lost.add(pack.name[:8])
    with pytest.raises(BackupError, match="backup latest cannot be opened") as told:
        verify(site.restic(), "latest", tmp_path / "scratch", "run2")
    assert any(name in str(told.value) for name in lost)


def test_an_image_that_was_saved_wrong_is_found(site: Site, tmp_path: Path) -> None:
    image, other = site.add_image(b"a" * 100_000), site.add_image(b"c" * 100_000)
    layer = site.bin / f"{image.id.removeprefix('sha256:')}.layer"
    layer.write_bytes(b"a" * 99_999 + b"b")
    site.backup("run1").go()
    _, found = verify(site.restic(), "latest", tmp_path / "scratch", "run2")
    (line,) = found["wrong"]
    assert image.id in line
    assert "has digest" in line
    assert other.id not in line


def test_half_an_image_is_found(site: Site) -> None:
    image = site.add_image(os.urandom(300_000))
    (site.bin / "half").touch()
    site.backup("run1").go()
    (line,) = prove_images(open_archive(site.restic(), "latest"))
    assert image.id in line
    assert "not whole" in line


def test_an_unknown_backup_is_answered_with_those_that_are_there(site: Site) -> None:
    done = site.backup("run1").go()
    with pytest.raises(BackupError, match=f"no backup 12345678; it has: {done['snapshot']}"):
        open_archive(site.restic(), "12345678")
    assert open_archive(site.restic(), done["snapshot"]).id == done["snapshot"]


def test_only_a_backup_with_its_mark_counts_as_verified_and_its_age_is_told(site: Site) -> None:
    assert backups(site.restic(location=str(site.root / "nowhere")), time.time()) == []
    first = site.backup("run1").go()["snapshot"]
    site.backup("run2").go()
    write_mark(site.home, first, "run3")
    one, two = backups(site.restic(), time.time() + 7200)
    assert (one["snapshot"], one["run"], one["verified"]) == (first, "run1", True)
    assert (two["run"], two["verified"]) == ("run2", False)
    assert 2 <= two["age_hours"] <= one["age_hours"] < 2.5
