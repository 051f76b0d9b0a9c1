"""The comparison probe: a command, and what its exit code says."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence

from releve.rollout.state import Answered

END_SECONDS = 5.0
"""Between SIGTERM and SIGKILL."""
LINE = 2000
"""So much of its last line is kept."""
ANSWERS: dict[int, Answered] = {0: "pass", 1: "fail", 3: "inconclusive"}


async def look(command: Sequence[str], seconds: float) -> tuple[Answered, str]:
    """Run it to its end: what it answers, and its last line on standard error.

    What cannot be run, ends otherwise or takes longer has no answer. Cancelled, it is ended, with
    all that it started.
    """
    try:
        process = await _start(command)
    except OSError as error:
        return "inconclusive", f"{command[0]} cannot be run: {error.strerror}"
    assert process.stderr is not None
    try:
        async with asyncio.timeout(seconds):
            last = await _last_line(process.stderr)
            status = await process.wait()
    except TimeoutError:
        return "inconclusive", f"it took longer than {seconds:g} s"
    finally:
        await _end(process)
    answer = ANSWERS.get(status)
    if answer is None:
        return "inconclusive", f"exit code {status}: {last or 'no word on standard error'}"
    return answer, last


async def _start(command: Sequence[str]) -> asyncio.subprocess.Process:
    """The command in a session of its own.

    It runs before asyncio has its pipes. Cancelled in between, asyncio ends the command alone, not
    what it has started by then.
    """
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await _end(await starting)
        raise


async def _last_line(stream: asyncio.StreamReader) -> str:
    """The last line that is not empty, at most LINE characters of it."""
    tail = b""
    while block := await stream.read(65536):
        tail = (tail + block)[-4 * LINE :]
    lines = tail.decode(errors="replace").split("\n")
    return next((line.strip()[-LINE:] for line in reversed(lines) if line.strip()), "")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever is left of it and of what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), END_SECONDS)
