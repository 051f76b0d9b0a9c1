"""The program `releve` as a process: what it says and the exit code it leaves."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import atexit, sys
from releve import cli
atexit.register(print, "the interpreter was taken down")
{before}
sys.argv = ["releve", *{arguments!r}]
cli.run()
"""


def ran(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    program = PROGRAM.format(before=before, arguments=arguments)
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--help"], 0, "Move a LiveKit voice agent"),
        (["probe", "parrot"], 2, "parrot"),
        (["report", "write", "/nowhere"], 2, "nowhere"),
    ],
)
def test_what_was_said_is_out_and_no_native_thread_meets_a_dying_interpreter(
    arguments: list[str], status: int, said: str
) -> None:
    done = ran(*arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stdout + done.stderr
    assert "taken down" not in done.stdout


def test_an_error_nobody_foresaw_is_told_and_is_not_exit_0() -> None:
    done = ran("--help", before="cli.main = lambda: 1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_sentence_as_exit_code_is_told_and_is_exit_1() -> None:
    done = ran("--help", before="cli.main = lambda: sys.exit('no such thing')")
    assert (done.returncode, done.stderr) == (1, "no such thing\n")


def test_a_command_loads_no_more_than_it_needs() -> None:
    """Probes start beside people who talk: what they do not need takes seconds of a processor."""
    slow = ("aiohttp", "livekit", "numpy", "prometheus_client", "releve.gateway", "scipy")
    loaded = f"atexit.register(lambda: print([name for name in {slow} if name in sys.modules]))"
    program = f"import atexit, sys; from releve import cli; {loaded}; sys.argv[1:] = "

    def loads(*arguments: str) -> str:
        command = [sys.executable, "-c", f"{program}{arguments}; cli.main()"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.splitlines()[-1]

    assert loads("probe", "calls", "--record", "/nowhere", "--since", "0") == "[]"
    to_call = ("--url", "ws://x", "--keys-file", "/nowhere", "--name", "x", "--colour", "blue")
    assert loads("probe", "echo", *to_call) == "['aiohttp', 'livekit', 'numpy']"
    assert loads("probe", "compare", *to_call, "--beside", "y") == "['aiohttp', 'livekit', 'numpy']"
