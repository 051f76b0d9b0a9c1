"""The comparison probe as a command: its exit code is the answer."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from releve.rollout.sources.comparison import LINE, look
from unit.gateway_standin import until


@pytest.mark.parametrize(
    ("script", "answer", "said"),
    [
        ("exit 0", "pass", ""),
        ("echo slower >&2; echo >&2; exit 1", "fail", "slower"),
        ("echo a >&2; echo 'too busy' >&2; exit 3", "inconclusive", "too busy"),
        ("echo 'no server' >&2; exit 2", "inconclusive", "exit code 2: no server"),
        ("kill -9 $$", "inconclusive", "exit code -9: no word on standard error"),
    ],
)
async def test_the_exit_code_is_the_answer(script: str, answer: str, said: str) -> None:
    assert await look(["sh", "-c", script], 30) == (answer, said)


async def test_what_cannot_be_run_has_no_answer() -> None:
    assert await look(["/nowhere/releve"], 30) == (
        "inconclusive",
        "/nowhere/releve cannot be run: No such file or directory",
    )


async def test_what_takes_too_long_is_ended_and_has_no_answer() -> None:
    assert await look(["sleep", "600"], 0.2) == ("inconclusive", "it took longer than 0.2 s")


async def test_a_flood_of_words_is_read_and_not_kept() -> None:
    answer, said = await look(
        ["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1"], 60
    )
    assert (answer, len(said)) == ("fail", LINE)


async def test_cancelled_it_ends_with_all_that_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {pid}; wait"
    task = asyncio.create_task(look(["sh", "-c", script], 600))
    await until(lambda: pid.exists() and bool(pid.read_text().strip()), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not alive(int(pid.read_text())), 30)


async def test_cancelled_while_it_starts_it_ends_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; sleep 600 & echo $! > {pid}; wait"
    task = asyncio.create_task(look(["sh", "-c", script], 600))
    popen = subprocess.Popen.__init__

    def cancelled(process: subprocess.Popen[bytes], *args: Any, **more: Any) -> None:
        """The command runs and has started another; asyncio does not have its pipes yet."""
        popen(process, *args, **more)
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.005)
        task.cancel()

    monkeypatch.setattr(subprocess.Popen, "__init__", cancelled)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    await until(lambda: not alive(int(pid.read_text())), 30)


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
