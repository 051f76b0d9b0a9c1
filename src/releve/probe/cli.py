"""`releve probe`: what a caller hears, measured. Exit 0 pass, 1 gate failed, 2 environment."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Annotated

import typer

from releve import keys
from releve.probe import record
from releve.probe.room import Server, ServerError

app = typer.Typer(
    help="Synthetic calls that measure what a caller hears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Url = Annotated[str, typer.Option(help="LiveKit server, ws:// or wss://")]
KeysFile = Annotated[Path, typer.Option(help="YAML `<api key>: <api secret>`, mode 0600")]


@app.command()
def echo(
    url: Url,
    keys_file: KeysFile,
    name: Annotated[str, typer.Option(help="the probe's name in the report")],
    colour: Annotated[str, typer.Option(help="blue or green: who is measured")],
    agent_name: Annotated[
        str | None, typer.Option(help="dispatch to this agent name only (a dark colour)")
    ] = None,
    calls: Annotated[int, typer.Option(min=1, max=20)] = 2,
    chirps: Annotated[int, typer.Option(min=1, max=60, help="per call")] = 20,
    floor: Annotated[
        bool, typer.Option("--floor", help="caller to caller in the same run")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="write the probe object here")] = None,
) -> None:
    """Call an echoing agent, time chirps there and back, and judge them by the gates."""
    from releve.probe import echo as echo_suite  # scipy costs a second: only who needs it pays

    server = _server(url, keys_file, agent_name)
    try:
        probe = asyncio.run(
            echo_suite.run(server, name, colour, calls=calls, chirps=chirps, floor=floor)
        )
    except ServerError as error:
        raise _environment(str(error)) from error
    text = json.dumps(probe, indent=2)
    if out is None:
        typer.echo(text)
    else:
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise _environment(f"--out {out}: {error.strerror}") from error
    if not probe["passed"]:
        typer.echo(f"probe {name} of {colour} failed: {probe['reason']}", err=True)
        raise typer.Exit(1)


@app.command()
def hold(
    url: Url,
    keys_file: KeysFile,
    record: Annotated[Path, typer.Option(help="JSON lines are appended here")],
    calls: Annotated[int, typer.Option(min=0, max=20, help="calls held")] = 3,
    every: Annotated[float, typer.Option(min=0.2, help="seconds between new rooms")] = 2.0,
    arrival_seconds: Annotated[float, typer.Option(min=1, help="how long a new room lives")] = 6.0,
    max_seconds: Annotated[float, typer.Option(min=1, help="end by itself after this")] = 1800.0,
) -> None:
    """Hold calls and open new rooms until SIGTERM, writing down what happens to them."""
    from releve.probe import hold as hold_suite

    server = _server(url, keys_file, None)
    plan = hold_suite.Plan(calls, every, arrival_seconds, max_seconds)
    try:
        asyncio.run(hold_suite.run(server, record, plan))
    except ServerError as error:
        raise _environment(str(error)) from error
    except OSError as error:
        raise _environment(f"--record {record}: {error.strerror}") from error


@app.command()
def calls(
    record_file: Annotated[Path, typer.Option("--record", help="the sentinels' record")],
    since: Annotated[float, typer.Option(help="monotonic seconds at which the run began")],
) -> None:
    """Judge what the sentinels have seen: no call dropped, without agent or with two."""
    try:
        events = record.read(record_file)
    except (OSError, ValueError) as error:
        raise _environment(f"--record {record_file}: {error}") from error
    until = max((event["t"] for event in events), default=since)
    found = record.summarise(events, since, until)
    typer.echo(json.dumps(found))
    for metric in ("dropped", "without_agent", "with_two_agents"):
        if found[metric] != 0:
            typer.echo(f"gate calls failed: {metric} is {found[metric]}, limit 0", err=True)
            raise typer.Exit(1)
    if found["sentinels"] == 0:
        typer.echo("gate calls failed: no sentinel was on the line: not enough data", err=True)
        raise typer.Exit(1)


def _server(url: str, keys_file: Path, agent_name: str | None) -> Server:
    # The SDK logs each refused attempt with its token in full; ServerError says it without.
    logging.getLogger("livekit").setLevel(logging.CRITICAL)
    try:
        return Server(url, keys.load(keys_file), agent_name)
    except keys.KeysError as error:
        raise _environment(str(error)) from error


def _environment(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(2)
