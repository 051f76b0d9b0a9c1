"""Driving restic: no secret outside its file, refusals as sentences, faults of disk and process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from module_utils.backup.contents import Tree
from module_utils.restic.repository import Restic, ResticError, literal

from .backup_standin import Site, empty_repository, files_of, site

__all__ = ["empty_repository", "site"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_the_password_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    restic = Restic(str(tmp_path / "r"), tmp_path, tmp_path / "password", "eloquence")
    assert restic.ensure()
    made = restic.password_file.read_text()
    assert len(made) > 40
    assert restic.password_file.stat().st_mode & 0o777 == 0o600
    assert not restic.ensure()
    assert restic.password_file.read_text() == made


def test_a_password_that_others_can_read_is_refused(site: Site) -> None:
    site.restic().password_file.chmod(0o644)
    with pytest.raises(ResticError, match=r"others can read .*; chmod 600 it"):
        site.restic().ensure()


def test_a_lost_password_is_not_replaced_by_a_new_one(site: Site) -> None:
    site.restic().password_file.unlink()
    with pytest.raises(ResticError, match="put your copy of it there"):
        site.restic().ensure()
    assert not site.restic().password_file.exists()
    with pytest.raises(ResticError, match=r"password file .* is not here; put your copy of it"):
        site.restic().snapshots()


def test_a_producer_that_somebody_kills_is_the_reason_that_is_given(site: Site) -> None:
    killed = ["sh", "-c", "head -c 1000 /dev/zero; kill -KILL $$"]
    with pytest.raises(ResticError, match=r"`sh -c` ended before it was done"):
        site.restic().save(killed, "/x.tar", ["image"])
    assert site.restic().snapshots() == []


def test_a_restic_that_hangs_is_ended_and_asked_once_more(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("module_utils.restic.standstill.HUNG_SECONDS", 1)
    fake, hung = site.bin / "restic", site.root / "hung"
    # Its timers go on, as those of restic do.
    once = f"[ -e {hung} ] || {{ touch {hung}; printf half; while sleep 0.1; do printf .; done; }}"
    fake.write_text(f"#!/bin/sh\n{once}\nprintf whole\n")
    fake.chmod(0o755)
    assert site.restic().read("aaaa", "/x") == b"whole"
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fails = pytest.raises(ResticError, match="stood still and was ended; see that the disk")
    with fails:
        site.restic().snapshots()
    # An unlock that answers, and a save that hangs twice.
    fake.write_text('#!/bin/sh\ncase "$*" in *" unlock") exit 0;; esac\nexec sleep 600\n')
    with fails:
        site.restic().save(["cat", "/dev/zero"], "/x.tar", ["image"])


def test_a_wrong_password_is_said_so(site: Site) -> None:
    site.restic().password_file.write_text("wrong\n")
    with pytest.raises(ResticError, match=r"password in .* does not open"):
        site.restic().snapshots()


def test_neither_password_nor_address_is_an_argument_or_in_the_environment(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESTIC_PASSWORD", "from-the-shell")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from-the-shell")
    seen = site.root / "seen"
    fake = site.bin / "restic"
    told = site.root / "told"
    fake.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {seen}; env >> {seen}; echo "[]"\n'
        f'while [ "$1" != --repository-file ]; do shift; done; cat "$2" > {told}\n'
    )
    fake.chmod(0o755)
    remote = site.restic(location="rest:https://user:secret@backup.example.org/")
    assert remote.exists()
    remote.snapshots()
    said = seen.read_text()
    assert "secret" not in said
    assert "from-the-shell" not in said
    assert site.restic().password_file.read_text().strip() not in said
    assert told.read_text() == "rest:https://user:secret@backup.example.org/"
    assert remote.shown == "rest:https://***@backup.example.org/"


def test_a_full_disk_midway_fails_at_once_and_the_repository_stays_valid(
    site: Site, small_disk: Path
) -> None:
    subprocess.run(["cp", "-r", str(site.home / "restic"), str(small_disk / "r")], check=True)
    restic = site.restic(location=str(small_disk / "r"))
    first = restic.backup([str(site.volume)], ["files"]).snapshot
    (site.volume / "big").write_bytes(os.urandom(20_000_000))
    with pytest.raises(ResticError, match="is full; make room and run again"):
        restic.backup([str(site.volume)], ["files"])
    (site.volume / "big").unlink()
    assert [item["short_id"] for item in restic.snapshots()] == [first]
    assert restic.check() == []
    assert restic.backup([str(site.volume)], ["files"]).snapshot


def test_a_repository_made_read_only_is_said_so_at_once_and_can_still_be_read(
    site: Site, small_disk: Path, tmp_path: Path
) -> None:
    subprocess.run(["cp", "-r", str(site.home / "restic"), str(small_disk / "r")], check=True)
    restic = site.restic(location=str(small_disk / "r"))
    saved = restic.backup([str(site.volume)], ["files"])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for write in (
        lambda: restic.backup([str(site.volume)], ["files"]),
        lambda: restic.save(["true"], "/x.tar", ["image"]),
        lambda: restic.forget(saved.snapshot),
        restic.prune,
    ):
        with pytest.raises(ResticError, match="file system that is read-only"):
            write()
    assert [item["short_id"] for item in restic.snapshots()] == [saved.snapshot]
    assert restic.check() == []
    back = files_of(restic, saved.snapshot, tmp_path / "back")
    assert (back / site.volume.relative_to("/") / "one.json").read_text() == "{}"


WORKER = """
import sys
from pathlib import Path
from module_utils.restic.repository import Restic
home = Path(sys.argv[1])
restic = Restic(str(home / "restic"), home, home / "password", "eloquence")
print("go", flush=True)
restic.save(["sh", "-c", "head -c 30000000 /dev/urandom; echo half >&2; touch %s; sleep 600"],
            "/images/x.tar", ["image"])
"""


def test_sigkill_midway_takes_its_children_along_and_the_next_run_goes_on(site: Site) -> None:
    mark = site.root / "half"  # the worker has begun, and its child holds a lock
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER % mark, str(site.home)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "plugins")},
    )
    deadline = time.monotonic() + 60
    while not (mark.exists() and list((site.home / "restic" / "locks").iterdir())):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    (lock,) = (site.home / "restic" / "locks").iterdir()
    assert lock.exists(), "a stale lock is left, as after any crash"
    assert site.restic().snapshots() == []
    saved = site.restic().save(["head", "-c", "1000", "/dev/zero"], "/images/x.tar", ["image"])
    assert saved.bytes == 1000
    site.restic().prune()  # wants the repository for itself: the stale lock is removed
    assert site.restic().check() == []


def test_odd_names_links_and_holes_come_back_as_they_were(site: Site, tmp_path: Path) -> None:
    odd = [b"with space", b"two\nlines", "é 漢字".encode(), b"not utf-8 \xff", b"a*[b]?\\c"]
    for name in odd:
        (site.volume / os.fsdecode(name)).write_bytes(name)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("not ours")
    (site.volume / "out").symlink_to(outside)
    (site.volume / "dangling").symlink_to("nowhere")
    saved = site.restic().backup([str(site.volume)], ["files"])
    whole = files_of(site.restic(), saved.snapshot, tmp_path / "back")
    back = whole / site.volume.relative_to("/")
    for name in odd:
        assert (back / os.fsdecode(name)).read_bytes() == name
    assert (back / "out").readlink() == outside
    assert (back / "dangling").readlink() == Path("nowhere")
    assert not (whole / outside.relative_to("/")).exists(), "links are not followed"


def test_only_what_is_asked_for_is_restored_whatever_its_name(site: Site, tmp_path: Path) -> None:
    odd, other = site.root / "a[b]*", site.root / "ab"
    for folder in (odd, other):
        folder.mkdir()
        (folder / "file").write_text(folder.name)
    saved = site.restic().backup([str(odd), str(other)], ["files"])
    site.restic().restore(saved.snapshot, tmp_path / "back", [str(odd)])
    assert (tmp_path / "back" / odd.relative_to("/") / "file").read_text() == "a[b]*"
    assert not (tmp_path / "back" / other.relative_to("/") / "file").exists()
    assert literal("/a[b]*") == "/a\\[b]\\*"


def test_a_hundred_thousand_small_files_are_one_backup(site: Site) -> None:
    with tempfile.TemporaryDirectory(
        dir="/dev/shm"
    ) as many:  # on a disk, making them takes longest
        for folder in range(100):
            Path(many, str(folder)).mkdir()
            for name in range(1000):
                os.close(os.open(f"{many}/{folder}/{name}", os.O_CREAT | os.O_WRONLY))
        site.trees[1] = Tree("volume", "data", many)
        done = site.backup("run1").go()
        assert done["torn"] == []
        again = site.backup("run2").go()
    assert again["added_bytes"] < 1_000_000


def test_without_a_repository_the_sentence_says_where_it_was_looked_for(site: Site) -> None:
    nowhere = site.restic(location=str(site.root / "nowhere"))
    assert not nowhere.exists()
    with pytest.raises(ResticError, match=r"there is no backup at .*nowhere"):
        nowhere.snapshots()


def test_a_save_takes_the_processor_when_nobody_else_wants_it(site: Site) -> None:
    restic = site.restic()
    niceness = ("sh", "-c", "cut -d' ' -f19 /proc/$$/stat; cat /proc/$$/autogroup 2>/dev/null")
    saved = restic.save(niceness, "niceness", ())
    told = restic.read(saved.snapshot, "/niceness").decode().split("\n")
    assert told[0] == "19"
    # Where the kernel shares between sessions: "/autogroup-<number> nice <niceness>".
    assert told[1].endswith("nice 19") or not Path("/proc/self/autogroup").exists()
