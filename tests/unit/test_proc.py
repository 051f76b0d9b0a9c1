"""What a host has left, by the kernel's own account."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from module_utils import proc


def test_idle_is_what_no_processor_used_waiting_for_disks_among_it(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 20 30 400 50 1 2 3 0 0\ncpu0 1 1 1 1 1\n")
    assert proc.idle_seconds(tmp_path) == 450 / os.sysconf("SC_CLK_TCK")


def test_memory_is_what_new_programs_get(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemFree: 5 kB\nMemAvailable:  2000000 kB\n")
    assert proc.memory_free_mb(tmp_path) == 2048


def test_a_kernel_that_does_not_tell_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("intr 1\n")
    (tmp_path / "meminfo").write_text("MemFree: 5 kB\n")
    with pytest.raises(ValueError, match="begins with"):
        proc.idle_seconds(tmp_path)
    with pytest.raises(ValueError, match="no MemAvailable"):
        proc.memory_free_mb(tmp_path)
