"""A run's own work gives way: its process, and no other, is in a group of the least weight."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from releve import background


def mounts(tmp_path: Path, line: str) -> Path:
    path = tmp_path / "mounts"
    path.write_text(f"proc /proc proc rw 0 0\n{line}\n")
    return path


@pytest.mark.parametrize(
    ("kind", "options", "file", "weight"),
    [("cgroup", "rw,cpu,cpuacct", "cpu.shares", "32"), ("cgroup2", "rw", "cpu.weight", "3")],
)
def test_the_process_moves_into_the_group(
    tmp_path: Path, kind: str, options: str, file: str, weight: str
) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory\n")
    said = background.give_way(mounts(tmp_path, f"x {tmp_path} {kind} {options} 0 0"))
    group = tmp_path / background.NAME
    assert said is None
    assert (group / file).read_text() == weight
    assert (group / "cgroup.procs").read_text() == str(os.getpid())


def test_where_nothing_shares_out_processors_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    said = background.give_way(mounts(tmp_path, f"x {tmp_path} cgroup2 rw 0 0"))
    assert said is not None
    assert "no control group shares out processors here" in said


def test_who_may_not_goes_on_as_before(tmp_path: Path) -> None:
    said = background.give_way(mounts(tmp_path, "x /nowhere/here cgroup rw,cpu 0 0"))
    assert said is not None
    assert said.endswith("No such file or directory")
