"""The one command `releve`: 0 pass, 1 gate failed, 2 usage or environment."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback

import typer

from releve.gateway.cli import app as gateway
from releve.probe.cli import app as probe
from releve.report.cli import app as report
from releve.upgrade.cli import upgrade_code

main = typer.Typer(
    name="releve",
    help="Move a LiveKit voice agent to its next version while people are talking to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
main.add_typer(gateway, name="gateway")
main.add_typer(probe, name="probe")
main.add_typer(report, name="report")
main.command("upgrade-code")(upgrade_code)


def run() -> None:
    """The program: `main`, then out with its exit code and without the interpreter's own end.

    livekit's native threads log through a Python callback. One that does so while the
    interpreter is being taken down is unwound through Rust, which aborts the process
    ("FATAL: exception not rethrown", SIGABRT) and with it the exit code that says whether
    a gate failed. It was seen on a busy machine, and seldom.
    """
    status: object = 1
    try:
        main()
    except SystemExit as left:
        status = left.code
    except BaseException:
        traceback.print_exc()
    if status is not None and not isinstance(status, int):  # a sentence, as sys.exit takes it
        print(status, file=sys.stderr)
        status = 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):  # nobody reads it any more, as with `| head`
            stream.flush()
    os._exit(status or 0)
