"""The one command `releve`: 0 pass, 1 gate failed, 2 usage or environment."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import sys
import traceback
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from releve.upgrade.cli import upgrade_code

if TYPE_CHECKING:  # typer has its own click, under a name that is not for us to import
    from typer._click.core import Command, Context

PARTS = ("gateway", "probe", "report", "rollout")
WHY = "why"
"""A command of the gateway; whoever asks it has other worries than what part it belongs to."""


class Lazy(TyperGroup):
    """Loads the part that is asked for: a probe starts beside people who talk, and all that the
    gateway imports would be two seconds of a processor."""

    def list_commands(self, ctx: Context) -> list[str]:
        return [*PARTS, WHY, *super().list_commands(ctx)]

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        if cmd_name == WHY:
            return _part("gateway").get_command(ctx, WHY)
        if cmd_name not in PARTS:
            return super().get_command(ctx, cmd_name)
        return _part(cmd_name)


def _part(name: str) -> TyperGroup:
    part = typer.main.get_group(importlib.import_module(f"releve.{name}.cli").app)
    part.name = name
    return part


main = typer.Typer(
    name="releve",
    cls=Lazy,
    help="Move a LiveKit voice agent to its next version while people are talking to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
main.callback()(lambda: None)  # else the one command that is registered here would be the program
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
