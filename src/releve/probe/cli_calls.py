"""`releve probe`'s commands about calls that are held or waited for."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from releve.probe import gates, memory
from releve.probe import record as records
from releve.probe.options import (
    AgentName,
    Colour,
    KeysFile,
    Limits,
    Name,
    Out,
    Url,
    environment,
    gates_of,
    judge,
    server_at,
    tell,
)


def add_to(app: typer.Typer) -> None:
    for command in (soak, load, hold, calls, idle):
        app.command()(command)


def soak(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    record: Annotated[Path, typer.Option(help="JSON lines are appended here: the evidence")],
    agent_name: AgentName = None,
    calls: Annotated[int, typer.Option(min=1, max=20, help="calls held")] = 2,
    seconds: Annotated[float, typer.Option(min=10, help="how long they are held")] = 1800.0,
    agent_cgroup: Annotated[
        Path | None, typer.Option(help="cgroup of the agent's container: its memory is judged, too")
    ] = None,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Hold calls for a time, and judge what changed: drift, memory, reconnects, silence, drops."""
    from releve.probe import soak as suite

    judges = gates_of("soak", limit)
    server = server_at(url, keys_file, agent_name)
    try:
        if agent_cgroup is not None:
            memory.used(agent_cgroup)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise environment(f"--agent-cgroup {agent_cgroup}: {why}") from error
    plan = suite.Plan(calls, seconds, agent_cgroup)
    run = suite.run(server, name, colour, judges, record, tell, plan)
    judge(run, out, file=f"--record {record}")


def load(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    calls: Annotated[int, typer.Option(min=1, max=40, help="no more than these at once")] = 20,
    step: Annotated[int, typer.Option(min=1, max=20, help="calls added at a time")] = 2,
    chirps: Annotated[int, typer.Option(min=20, max=60, help="per call and stage")] = 24,
    seconds: Annotated[float, typer.Option(min=1, help="no calls are added after these")] = 300.0,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Hold more and more calls until a gate breaks: how many this host can carry."""
    from releve.probe import load as suite

    judges = gates_of("load", limit)
    server = server_at(url, keys_file, agent_name)
    run = suite.run(
        server, name, colour, judges, tell, calls=calls, step=step, chirps=chirps, seconds=seconds
    )
    judge(run, out)


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
    from releve.probe.room import ServerError

    server = server_at(url, keys_file)
    plan = hold_suite.Plan(calls, every, arrival_seconds, max_seconds)
    try:
        asyncio.run(hold_suite.run(server, record, plan, tell))
    except ServerError as error:
        raise environment(str(error)) from error
    except OSError as error:
        raise environment(f"--record {record}: {error.strerror}") from error


def calls(
    record_file: Annotated[Path, typer.Option("--record", help="the sentinels' record")],
    since: Annotated[float, typer.Option(help="monotonic seconds at which the run began")],
    limit: Limits = None,
) -> None:
    """Judge what the sentinels have seen: no call dropped, silent for long, alone or with two."""
    try:
        events = records.read(record_file)
    except (OSError, ValueError) as error:
        raise environment(f"--record {record_file}: {error}") from error
    until = max((event["t"] for event in events), default=since)
    found = records.summarise(events, since, until)
    typer.echo(json.dumps(found))
    said = gates.failures(gates_of("calls", limit), dict(found))  # type: ignore[arg-type]
    if said:
        typer.echo(f"gate calls failed: {'; '.join(said)}; evidence: {record_file}", err=True)
        raise typer.Exit(1)


def idle(
    url: Url,
    keys_file: KeysFile,
    seconds: Annotated[float, typer.Option(min=0, help="how long to wait for it")] = 600.0,
) -> None:
    """Wait until nobody is in any room: exit 0 at that moment, 1 when calls still go on."""
    from releve.probe import idle as idle_suite
    from releve.probe.room import ServerError

    try:
        calls = asyncio.run(idle_suite.wait(server_at(url, keys_file), seconds, tell))
    except ServerError as error:
        raise environment(str(error)) from error
    if calls:
        typer.echo(f"{calls} calls still go on after {seconds:g} s", err=True)
        raise typer.Exit(1)
