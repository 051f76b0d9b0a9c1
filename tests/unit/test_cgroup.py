"""An agent's memory is found in the kernel's account of its container, whichever version."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.cgroup import memory_folder
from releve.probe.host import container_memory

ONE = "31 23 0:28 / {} rw,relatime - tmpfs tmpfs rw\n"
V1 = "35 31 0:32 / {}/memory rw,nosuid shared:9 - cgroup cgroup rw,memory\n"
CPU = "34 31 0:31 / {}/cpu rw,nosuid - cgroup cgroup rw,cpu\n"
V2 = "35 31 0:32 {root} {}/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def host(home: Path, mounts: str, cgroup: str, root: str = "/") -> Path:
    """A /proc in which process 7 is in a container, and file systems beside it."""
    proc = home / "proc"
    for folder in (proc / "7", proc / "self", home / "memory/docker/abc", home / "unified/abc"):
        folder.mkdir(parents=True)
    (proc / "7/cgroup").write_text(cgroup)
    (proc / "self/mountinfo").write_text(mounts.format(*[home] * 4, root=root))
    return proc


@pytest.mark.parametrize(
    ("mounts", "cgroup", "root", "folder"),
    [
        (ONE + CPU + V1, "8:pids:/x\n4:memory:/docker/abc\n0::/docker/abc\n", "/", "memory/docker"),
        (V2, "0::/abc\n", "/", "unified"),
        (V2, "0::/outer/abc\n", "/outer", "unified"),  # an engine that is in a container itself
    ],
)
def test_the_account_of_a_container_is_found(
    tmp_path: Path, mounts: str, cgroup: str, root: str, folder: str
) -> None:
    proc = host(tmp_path, mounts, cgroup, root)
    assert memory_folder(7, proc) == str(tmp_path / folder / "abc")


@pytest.mark.parametrize(
    ("pid", "mounts", "cgroup"),
    [(7, CPU, "4:memory:/docker/abc\n"), (7, V1, "4:memory:/docker/other\n"), (8, V1, "")],
)
def test_what_cannot_be_seen_is_none(tmp_path: Path, pid: int, mounts: str, cgroup: str) -> None:
    assert memory_folder(pid, host(tmp_path, mounts, cgroup)) is None


@pytest.mark.parametrize(
    ("charged", "stat"),
    [
        ("memory.current", "anon 1\ninactive_file 300\n"),
        ("memory.usage_in_bytes", "inactive_file 7\ntotal_inactive_file 300\n"),
    ],
)
def test_cache_that_nobody_misses_is_not_counted(tmp_path: Path, charged: str, stat: str) -> None:
    (tmp_path / charged).write_text("1000\n")
    (tmp_path / "memory.stat").write_text(stat)
    assert container_memory.used(tmp_path) == 700


def test_a_folder_that_is_no_account_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no memory account"):
        container_memory.used(tmp_path)
    with pytest.raises(FileNotFoundError):
        container_memory.used(tmp_path / "gone")
