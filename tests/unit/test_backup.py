"""A backup: what is in it, what is not read twice, what is refused. With a real restic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from module_utils.backup.archive import IMAGES_FILE
from module_utils.backup.contents import BackupError, Tree
from module_utils.backup.repository_lock import alone
from module_utils.backup.retention import Keep, images_held, runs, unix_time
from module_utils.backup.survey import survey
from module_utils.restic.repository import Restic, ResticError

from .backup_standin import Site, empty_repository, files_of, site

__all__ = ["empty_repository", "site"]


def below(folder: Path, path: Path) -> Path:
    return folder / path.relative_to("/")


def test_one_run_saves_files_images_and_the_document(site: Site, tmp_path: Path) -> None:
    image = site.add_image(os.urandom(100_000))
    done = site.backup("run1").go()
    assert done["images_saved"] == [image.id]
    assert done["torn"] == []
    whole = files_of(site.restic(), done["snapshot"], tmp_path / "out")
    assert below(whole, site.project / "docker-compose.yml").read_text() == "services: {}\n"
    assert below(whole, site.volume / "one.json").read_text() == "{}"
    document = below(whole, site.root / "scratch" / "releve-document")
    assert json.loads((document / "versions.json").read_text())["run"] == "run1"
    assert image.id in (document / "versions.md").read_text()
    assert (document / "definitions.json").stat().st_mode & 0o777 == 0o600
    assert not (site.root / "scratch" / "releve-document").exists()
    for snapshot in site.restic().snapshots():
        assert "run1" in snapshot["tags"]


def test_an_image_that_is_held_is_not_read_again(site: Site) -> None:
    first = site.add_image(os.urandom(100_000))
    assert site.backup("run1").go()["first"], "the operator is told to keep the password"
    second = site.add_image(os.urandom(100_000))
    done = site.backup("run2").go()
    assert not done["first"]
    assert (done["images_held"], done["images_saved"]) == ([first.id], [second.id])
    assert [line for line in site.asked() if line.startswith("save")] == [
        f"save {first.id}",
        f"save {second.id}",
    ]


def test_an_image_of_a_run_that_did_not_end_is_not_trusted(site: Site) -> None:
    image = site.add_image(os.urandom(400_000))
    site.restic().save(
        ["head", "-c", "1000", "/dev/zero"], IMAGES_FILE, ["image", "run0", image.id]
    )
    done = site.backup("run1").go()
    assert done["images_saved"] == [image.id]
    snapshots = site.restic().snapshots()
    kept = images_held(snapshots)[image.id]
    assert len(site.restic().read(kept, IMAGES_FILE)) > image.bytes
    assert len(snapshots) == 2, "the half image is gone"


def test_an_engine_that_stops_midway_leaves_no_half_image(site: Site) -> None:
    site.add_image(os.urandom(400_000))
    (site.bin / "broken").touch()
    with pytest.raises(ResticError, match=r"`docker save` ended before .*\(Cannot connect"):
        site.backup("run1").go()
    left = [item["tags"] for item in site.restic().snapshots()]
    assert left == [["warm", "run1"]], "files that were read ahead"
    (site.bin / "broken").unlink()
    assert site.backup("run2").go()["first"], "nobody was told of the password yet"
    assert sorted(item["tags"][0] for item in site.restic().snapshots()) == ["files", "image"]


def test_without_room_nothing_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add_image(b"x" * 1000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**6))
    fresh = site.root / "fresh"
    restic = site.restic(home=fresh, location=str(fresh / "r"), password_file=fresh / "password")
    with pytest.raises(BackupError, match=r"has 1 MB free and this backup may need 6\d MB"):
        site.backup("run1", restic=restic).go()
    assert not (fresh / "r").exists()
    assert not (fresh / "password").exists()


def test_a_plan_changes_nothing(site: Site) -> None:
    image = site.add_image(b"x" * 1000)
    before = sorted(site.home.rglob("*"))
    plan = site.backup("run1").plan()
    assert plan.missing == (image,)
    assert plan.needed > image.bytes
    assert sorted(site.home.rglob("*")) == before
    assert site.asked() == []


def test_two_backups_at_once_one_is_told_which_runs(site: Site) -> None:
    with alone(site.home, "run1"), pytest.raises(BackupError, match="run run1 uses this"):
        site.backup("run2").go()
    assert site.backup("run3").go()["snapshot"]


def test_a_folder_that_takes_no_lock_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    why = r"file/home cannot be written \(Not a directory\)"
    with pytest.raises(BackupError, match=why), alone(tmp_path / "file" / "home", "run1"):
        pass


def test_a_repository_inside_what_it_saves_is_refused(site: Site) -> None:
    inside = site.restic(location=str(site.project / "restic"))
    with pytest.raises(BackupError, match=r"lies in .*project, which is backed up"):
        site.backup("run1", restic=inside).plan()


def test_old_runs_go_and_take_with_them_only_what_nobody_needs(site: Site) -> None:
    shared, early = site.add_image(os.urandom(50_000)), site.add_image(os.urandom(50_000))
    site.backup("run1").go()
    site.images.remove(early)
    one = Keep(last=1, daily=0, weekly=0)
    last = site.backup("run2", keep=one).go()["snapshot"]
    snapshots = site.restic().snapshots()
    assert [item["short_id"] for item in runs(snapshots)] == [last]
    assert list(images_held(snapshots)) == [shared.id]
    assert len(snapshots) == 2
    third = site.add_image(os.urandom(50_000))
    site.images.remove(shared)
    site.backup("run3", keep=one).go()
    snapshots = site.restic().snapshots()
    assert list(images_held(snapshots)) == [third.id]
    assert len(snapshots) == 2, "a stream whose every image is out of use is gone"


def test_the_room_of_an_old_run_comes_back(site: Site) -> None:
    (site.volume / "big").write_bytes(os.urandom(3_000_000))
    site.backup("run1").go()
    (site.volume / "big").unlink()
    site.backup("run2", keep=Keep(last=1, daily=0, weekly=0)).go()
    packs = (site.home / "restic" / "data").rglob("*")
    assert sum(path.stat().st_size for path in packs if path.is_file()) < 1_000_000


def test_files_are_read_beside_images_and_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tags = Restic.backup, []

    def backup(self: Restic, paths: list[str], given: list[str], parent: str = "") -> object:
        saved = real(self, paths, given, parent)
        tags.append(given[0])
        if given[0] == "warm":
            (site.bin / "go").touch()
        elif given[0] == "files":
            assert saved.added < 100_000, "only the document is new"  # type: ignore[attr-defined]
        return saved

    monkeypatch.setattr(Restic, "backup", backup)
    (site.volume / "big").write_bytes(os.urandom(1_000_000))
    site.add_image(os.urandom(100_000))
    (site.bin / "wait").touch()  # the engine's answer ends when the files have been read
    done = site.backup("run1").go()
    assert tags == ["warm", "files"]
    assert done["added_bytes"] > 1_000_000
    kinds = sorted(item["tags"][0] for item in site.restic().snapshots())
    assert kinds == ["files", "image"]


def test_a_file_that_changes_while_it_is_read_is_read_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, rounds = Restic.backup, []

    def backup(self: Restic, *given: object) -> object:
        saved = real(self, *given)  # type: ignore[arg-type]
        rounds.append(saved)
        (site.volume / "one.json").write_text(f"round {len(rounds)}")
        if len(rounds) == 2:
            (site.volume / "log").write_text("always moving")
        return saved

    monkeypatch.setattr(Restic, "backup", backup)
    done = site.backup("run1").go()
    assert len(rounds) == 2
    assert done["torn"] == sorted(map(str, [site.volume / "log", site.volume / "one.json"]))
    whole = files_of(site.restic(), done["snapshot"], tmp_path / "out")
    assert below(whole, site.volume / "one.json").read_text() == "round 1"
    assert len(runs(site.restic().snapshots())) == 1


def test_what_a_database_writes_on_after_it_has_saved_itself_is_read_again_and_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.trees[1] = Tree("volume", "data", str(site.volume), databases=("redis",))
    monkeypatch.setattr("module_utils.backup.snapshot.flush_database", lambda client, name: True)
    real = Restic.backup

    def backup(self: Restic, paths: list[str], tags: list[str], parent: str = "") -> object:
        saved = real(self, paths, tags, parent)
        if tags[0] == "volume":
            with (site.volume / "appendonly.aof").open("a") as log:
                log.write("SET a b\n")
        return saved

    monkeypatch.setattr(Restic, "backup", backup)
    done = site.backup("run1").go()
    assert done["torn"] == [str(site.volume / "appendonly.aof")]
    assert site.asked() == [], "it saves itself and is not paused"
    (told,) = done["paused"]
    assert (told["saved_themselves"], told["containers"]) == (["redis"], [])
    assert sorted(item["tags"][0] for item in site.restic().snapshots()) == ["files", "volume"]


def test_what_was_not_in_an_earlier_backup_is_counted_as_new_however_old(tmp_path: Path) -> None:
    for name in ("known", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 1000)
    found = survey([str(tmp_path / "known"), str(tmp_path / "other")])
    later = time.time() + 60
    assert found.newer(later, {str(tmp_path / "known"), str(tmp_path / "other")}) == 0
    assert found.newer(later, {str(tmp_path / "known")}) == 1000
    assert found.newer(0, {str(tmp_path / "known")}) == 2000


def test_writers_stand_still_only_for_what_is_left(site: Site) -> None:
    site.trees[1] = Tree("volume", "data", str(site.volume), writers=("notes",))
    done = site.backup("run1").go()
    (pause,) = done["paused"]
    assert pause["containers"] == ["notes"]
    assert 0 < pause["seconds"] < 30
    assert site.asked() == ["pause notes", "unpause notes"]
    kinds = sorted(item["tags"][0] for item in site.restic().snapshots())
    assert kinds == ["files", "volume"], "what was read before the pause is forgotten"


def test_writers_go_on_when_the_backup_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.trees[1] = Tree("volume", "data", str(site.volume), writers=("notes",))
    real = Restic.backup

    def backup(self: Restic, paths: list[str], tags: list[str], parent: str = "") -> object:
        if tags[0] == "volume":
            raise ResticError("the disk is full")
        return real(self, paths, tags, parent)

    monkeypatch.setattr(Restic, "backup", backup)
    with pytest.raises(ResticError, match="the disk is full"):
        site.backup("run1").go()
    assert site.asked() == ["pause notes", "unpause notes"]


def leave(site: Site, monkeypatch: pytest.MonkeyPatch, commands: int) -> None:
    """The engine goes while the writer of the volume stands still, for so many commands."""
    site.trees[1] = Tree("volume", "data", str(site.volume), writers=("notes",))
    real = Restic.backup

    def backup(self: Restic, paths: list[str], tags: list[str], parent: str = "") -> object:
        if tags[0] == "volume":
            (site.bin / "away").write_text(str(commands))
        return real(self, paths, tags, parent)

    monkeypatch.setattr(Restic, "backup", backup)


def test_writers_go_on_when_the_engine_comes_back(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(site, monkeypatch, 2)
    assert site.backup("run1").go()["snapshot"]
    still = "ps --quiet --filter status=paused --filter name=^/notes$"
    assert site.asked() == ["pause notes", "unpause notes", still, "unpause notes"]


def test_an_engine_that_stays_away_from_paused_writers_is_said_so(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("module_utils.backup.pause.WAKE_TRIES", 1)
        leave(site, patch, 99)
        with pytest.raises(BackupError, match=r"notes stood still; .* `docker unpause notes`"):
            site.backup("run1").go()
        with pytest.raises(BackupError, match=r"notes cannot be paused \(Cannot connect\)"):
            site.backup("run2").go()
    assert runs(site.restic().snapshots()) == []
    (site.bin / "away").unlink()
    assert site.backup("run3").go()["snapshot"]
    kinds = sorted(item["tags"][0] for item in site.restic().snapshots())
    assert kinds == ["files", "volume"], "what the first two left behind is gone"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-01-01T00:00:00Z", 1767225600.0),
        ("2026-01-01T01:00:00.25+01:00", 1767225600.25),
        ("2025-12-31T19:00:00.024512419-05:00", 1767225600.024512),
    ],
)
def test_times_of_restic_are_read_whatever_their_digits(text: str, seconds: float) -> None:
    assert unix_time(text) == pytest.approx(seconds, abs=1e-6)


PAUSER = """
import time
from module_utils.backup.pause import paused
with paused(["notes"]):
    print("paused", flush=True)
    time.sleep(600)
"""


def pauser() -> subprocess.Popen[bytes]:
    plugins = Path(__file__).parents[2] / "plugins"
    return subprocess.Popen(
        [sys.executable, "-c", PAUSER],
        env=os.environ | {"PYTHONPATH": str(plugins)},
        stdout=subprocess.PIPE,
    )


def until(site: Site, log: str, said: list[str]) -> None:
    deadline = time.monotonic() + 30
    while site.asked(log) != said:
        assert time.monotonic() < deadline, site.asked(log)
        time.sleep(0.02)


def test_writers_go_on_when_the_backup_is_killed_during_the_pause(site: Site) -> None:
    worker = pauser()
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"paused\n"
    worker.kill()
    worker.wait()
    until(site, "done", ["pause notes", "unpause notes"])


def test_writers_go_on_when_the_backup_is_killed_while_they_are_being_paused(site: Site) -> None:
    (site.bin / "wait").touch()
    worker = pauser()
    until(site, "asked", ["pause notes"])
    worker.kill()
    worker.wait()
    time.sleep(1)  # room for one who would wake them before they stand still
    (site.bin / "go").touch()
    until(site, "done", ["pause notes", "unpause notes"])
