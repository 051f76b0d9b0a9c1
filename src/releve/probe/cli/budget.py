"""`releve probe budget`: what the calls of a run cost, before it begins."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from releve.probe.cli.options import environment
from releve.probe.judgement import budget as budgets

KINDS = ("echo", "talks", "listens")


def add_to(app: typer.Typer) -> None:
    app.command()(budget)


def budget(
    kind: Annotated[str, typer.Option(help="of the agent in service: echo, talks or listens")],
    green: Annotated[str, typer.Option(help="of green, likewise")],
    calls: Annotated[str, typer.Option(help="calls held: a number, or `auto`")] = "auto",
    before: Annotated[float, typer.Option(min=0, help="seconds before the run")] = 60.0,
    canary: Annotated[float, typer.Option(min=0, help="seconds of the canary")] = 60.0,
    bake: Annotated[float, typer.Option(min=0, help="seconds of the bake")] = 300.0,
    every: Annotated[float, typer.Option(min=0.2, help="seconds between new rooms")] = 20.0,
    turn_seconds: Annotated[float, typer.Option(min=5, help="between sentences")] = 20.0,
    probe_calls: Annotated[int, typer.Option(min=1, help="of the echo suite")] = 2,
    conversation_calls: Annotated[int, typer.Option(min=1, help="of the conversation")] = 2,
    compare_calls: Annotated[int, typer.Option(min=2, help="of the comparison, each colour")] = 2,
    compare_turns: Annotated[int, typer.Option(min=3, help="of each of them")] = 3,
    most_turns: Annotated[int | None, typer.Option(min=0, help="what is allowed")] = None,
    most_rooms: Annotated[int | None, typer.Option(min=0, help="what is allowed")] = None,
) -> None:
    """Say how many rooms and turns a migration causes; exit 1 where more than is allowed."""
    for each in (kind, green):
        if each not in KINDS:
            raise environment(f"{each}: an agent's kind is one of {', '.join(KINDS)}")
    if calls != "auto" and not (calls.isascii() and calls.isdigit()):
        raise environment(f"--calls {calls}: a number, or auto")
    asked = budgets.Asked(
        kind,
        green,
        None if calls == "auto" else int(calls),
        before,
        canary,
        bake,
        every,
        turn_seconds,
        probe_calls,
        conversation_calls,
        compare_calls,
        compare_turns,
    )
    found = budgets.cost(asked)
    typer.echo(json.dumps(asdict(found)))
    typer.echo(found.said(), err=True)
    if beyond := budgets.over(found, most_turns, most_rooms, turn_seconds):
        typer.echo(f"the run is beyond its budget: {beyond}", err=True)
        raise typer.Exit(1)
