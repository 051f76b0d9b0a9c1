"""A measurement that the SDK crashes is begun anew, once, and nobody takes it for a verdict."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from releve.probe.caller.join import ServerError
from releve.probe.host import isolated_process


def begin(tries: Path) -> int:
    """Which try this is, from 0."""
    tried = len(list(tries.iterdir()))
    (tries / str(tried)).touch()
    return tried


async def crash(times: int, tries: Path) -> int:
    """Die as the SDK does, in as many tries; then say in which one this is."""
    tried = begin(tries)
    if tried < times:
        os.kill(os.getpid(), signal.SIGSEGV)
    return tried


async def refuse() -> int:
    raise ServerError("the token is refused", refused=True)


@pytest.mark.parametrize("times", [0, 1])
async def test_one_crash_is_survived_and_told(tmp_path: Path, times: int) -> None:
    assert await isolated_process.run(crash, times, tmp_path) == (times, times)


async def test_two_crashes_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(isolated_process.CrashError, match="crashed 2 times"):
        await isolated_process.run(crash, 9, tmp_path)
    assert begin(tmp_path) == 2


async def test_an_error_is_no_crash_and_keeps_what_it_says() -> None:
    with pytest.raises(ServerError, match="the token is refused") as refused:
        await isolated_process.run(refuse)
    assert refused.value.refused
