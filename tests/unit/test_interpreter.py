"""Versions are asked from the Python that runs, found in a process tree as the kernel tells it."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.interpreter import Interpreter, interpreters

UV_PATH = "PATH=/app/.venv/bin:/usr/bin"


def process(
    proc: Path, pid: int, exe: str, argv: list[str], env: tuple[str, ...] = (), *children: int
) -> None:
    folder = proc / str(pid)
    (folder / f"task/{pid}").mkdir(parents=True)
    (folder / f"task/{pid}/children").write_text(" ".join(map(str, children)))
    (folder / "exe").symlink_to(exe)
    (folder / "cwd").symlink_to("/app")
    (folder / "cmdline").write_bytes("".join(f"{word}\0" for word in argv).encode())
    (folder / "environ").write_bytes("".join(f"{word}\0" for word in env).encode())
    (folder / "status").write_text("Name:\tx\nUid:\t10001\t10001\t0\t0\nGid:\t33\t33\t33\t33\n")


def test_a_worker_that_uv_runs_is_asked_by_its_own_python(tmp_path: Path) -> None:
    """uv is the first process, and `.venv` is on nobody's PATH but that of its child."""
    process(tmp_path, 7, "/usr/local/bin/uv", ["uv", "run", "agent.py"], ("PATH=/usr/bin",), 8)
    env = (UV_PATH, "VIRTUAL_ENV=/app/.venv", "LIVEKIT_API_SECRET=x", "PYTHONPATH=/lib")
    process(tmp_path, 8, "/usr/bin/python3.12", ["/app/.venv/bin/python", "agent.py"], env)
    first, by_file = interpreters(7, tmp_path)
    telling = {"PATH": "/app/.venv/bin:/usr/bin", "VIRTUAL_ENV": "/app/.venv", "PYTHONPATH": "/lib"}
    assert first == Interpreter("/app/.venv/bin/python", "/app", "10001:33", telling)
    assert by_file == Interpreter("/usr/bin/python3.12", "/app", "10001:33", telling)


def test_the_nearest_comes_first_and_each_once(tmp_path: Path) -> None:
    """A supervisor, its worker, the worker's processes: of one kind there may be hundreds."""
    process(tmp_path, 1, "/usr/bin/python3.11", ["supervisord"], (), 2, 3)
    process(tmp_path, 2, "/bin/sh", ["sh", "-c", "exec"], (), 4)
    for pid in (3, 4, 5, 6):
        process(
            tmp_path, pid, "/venv/bin/python3.11", ["python"], (UV_PATH,), *{3: (5, 6)}.get(pid, ())
        )
    found = [one.program for one in interpreters(1, tmp_path)]
    assert found == ["supervisord", "/usr/bin/python3.11", "python", "/venv/bin/python3.11"]


@pytest.mark.parametrize("exe", ["/usr/bin/node", "/livekit-server"])
def test_what_is_no_python_is_not_asked(tmp_path: Path, exe: str) -> None:
    process(tmp_path, 1, exe, ["python"])
    assert list(interpreters(1, tmp_path)) == []


def test_one_that_ended_meanwhile_or_has_no_command_line_is_left_out(tmp_path: Path) -> None:
    process(tmp_path, 1, "/usr/bin/python3.11 (deleted)", [], (), 2)
    assert [one.program for one in interpreters(1, tmp_path)] == ["/usr/bin/python3.11"]
    assert list(interpreters(99, tmp_path)) == []
