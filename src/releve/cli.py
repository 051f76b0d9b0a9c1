"""The one command `releve`: 0 pass, 1 gate failed, 2 usage or environment."""

from __future__ import annotations

import typer

from releve.gateway.cli import app as gateway
from releve.probe.cli import app as probe
from releve.report.cli import app as report

main = typer.Typer(
    name="releve",
    help="Move a LiveKit voice agent to its next version while people are talking to it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
main.add_typer(gateway, name="gateway")
main.add_typer(probe, name="probe")
main.add_typer(report, name="report")
