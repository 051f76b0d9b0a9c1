"""Commands of `releve probe` that hold calls, judge held calls, or wait for their end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from releve.probe.cli.options import (
    INCONCLUSIVE,
    AgentName,
    Caller,
    Colour,
    KeysFile,
    Limits,
    Name,
    Out,
    Sentence,
    Url,
    environment,
    gates_of,
    judge,
    sentence_of,
    server_at,
    tell,
)
from releve.probe.host import container_memory
from releve.probe.host.capacity import CALLS_SHARE
from releve.probe.judgement import gates
from releve.probe.judgement import harm as harms
from releve.probe.judgement import record as records


def add_to(app: typer.Typer) -> None:
    for command in (soak, load, hold, calls, idle, server):
        app.command()(command)


def soak(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    record: Annotated[Path, typer.Option(help="JSON lines are appended here: the evidence")],
    agent_name: AgentName = None,
    caller: Caller = None,
    calls: Annotated[int, typer.Option(min=1, max=20, help="calls held")] = 2,
    seconds: Annotated[float, typer.Option(min=10, help="how long they are held")] = 1800.0,
    agent_cgroup: Annotated[
        Path | None, typer.Option(help="cgroup of the agent's container: its memory is judged, too")
    ] = None,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Hold calls for a time, and judge what changed: drift, memory, reconnects, silence, drops."""
    from releve.probe.suites import soak as suite

    judges = gates_of("soak", limit)
    server = server_at(url, keys_file, agent_name, caller)
    try:
        if agent_cgroup is not None:
            container_memory.used(agent_cgroup)
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
    caller: Caller = None,
    calls: Annotated[int, typer.Option(min=1, max=40, help="no more than these at once")] = 20,
    step: Annotated[int, typer.Option(min=1, max=20, help="calls added at a time")] = 2,
    chirps: Annotated[int, typer.Option(min=20, max=60, help="per call and stage")] = 24,
    seconds: Annotated[float, typer.Option(min=1, help="no calls are added after these")] = 300.0,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Hold more and more calls until a gate breaks: the capacity of this host."""
    from releve.probe.suites import load as suite

    judges = gates_of("load", limit)
    server = server_at(url, keys_file, agent_name, caller)
    run = suite.run(
        server, name, colour, judges, tell, calls=calls, step=step, chirps=chirps, seconds=seconds
    )
    judge(run, out)


def hold(
    url: Url,
    keys_file: KeysFile,
    record: Annotated[Path, typer.Option(help="JSON lines are appended here")],
    agent_name: AgentName = None,
    caller: Caller = None,
    calls: Annotated[
        str, typer.Option(help="calls held: a number to 20, or `auto`, what the host carries")
    ] = "auto",
    every: Annotated[float, typer.Option(min=0.2, help="seconds between new rooms")] = 20.0,
    arrival_seconds: Annotated[float, typer.Option(min=1, help="how long a new room lives")] = 4.0,
    max_seconds: Annotated[float, typer.Option(min=1, help="end by itself after this")] = 1800.0,
    before_seconds: Annotated[
        float, typer.Option(min=0, help="how long the held calls are alone before the first room")
    ] = 0.0,
    moments: Annotated[
        Path | None, typer.Option(help="a file: each new id in it opens new rooms in a burst")
    ] = None,
    kind: Annotated[str, typer.Option(help="of the agent: echo, talks or listens")] = "echo",
    sentence: Sentence = None,
    turn_seconds: Annotated[
        float, typer.Option(min=5, help="between two sentences of a call to one that talks")
    ] = 20.0,
    most_turns: Annotated[
        int | None, typer.Option(min=0, help="no more sentences than these, of all held calls")
    ] = None,
    most_rooms: Annotated[int | None, typer.Option(min=0, help="no more new rooms")] = None,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="of the host's processors, for held calls")
    ] = CALLS_SHARE,
) -> None:
    """Hold calls and open new rooms until SIGTERM, and record their events."""
    from releve.probe.caller.join import ServerError
    from releve.probe.suites import hold as hold_suite
    from releve.probe.suites.held import kinds
    from releve.probe.suites.held.plan import Plan

    if calls != "auto" and not (calls.isascii() and calls.isdigit() and int(calls) <= 20):
        raise environment(f"--calls {calls}: a number from 0 to 20, or auto")
    held = None if calls == "auto" else int(calls)
    server = server_at(url, keys_file, agent_name, caller)
    if kind not in kinds.KINDS:
        raise environment(f"--kind {kind}: one of {', '.join(kinds.KINDS)}")
    said = sentence_of(sentence) if kind == "talks" else None
    plan = Plan(
        held,
        every,
        arrival_seconds,
        max_seconds,
        before_seconds,
        moments,
        kinds.Manner(kind, said, turn_seconds),
        most_turns,
        most_rooms,
        share,
    )
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
    harm_limit: Annotated[
        list[str] | None, typer.Option(help="`<gate>=<number>` of the gates on harm")
    ] = None,
) -> None:
    """Judge the sentinels' record: no call dropped, silent for long, without or with two agents.

    And what people on the line would have noticed: exit 1 when it is too much, 3 when nobody can
    tell.
    """
    try:
        events = records.read(record_file)
    except (OSError, ValueError) as error:
        raise environment(f"--record {record_file}: {error}") from error
    until = max((event["t"] for event in events), default=since)
    found = records.summarise(events, since, until)
    judges = gates.for_kind(gates_of("calls", limit), found["agent_kind"])
    harmed = harms.of(events, since, until)
    typer.echo(json.dumps(found | {"harm": asdict(harmed) if harmed else None}))
    said = gates.failures(judges, dict(found))  # type: ignore[arg-type]
    answer, noticed = harms.answer(harmed, gates_of("harm", harm_limit))
    if said or answer == "fail":
        said += noticed if answer == "fail" else []
        typer.echo(f"gate calls failed: {'; '.join(said)}; evidence: {record_file}", err=True)
        raise typer.Exit(1)
    if answer == "inconclusive":
        why = "; ".join(noticed)
        typer.echo(f"gate harm is inconclusive: {why}; evidence: {record_file}", err=True)
        raise typer.Exit(INCONCLUSIVE)


def idle(
    url: Url,
    keys_file: KeysFile,
    seconds: Annotated[float, typer.Option(min=0, help="how long to wait for it")] = 600.0,
) -> None:
    """Wait until no room has a participant: exit 0 then, 1 if calls still go on."""
    from releve.probe.caller.join import ServerError
    from releve.probe.suites import idle as idle_suite

    try:
        calls = asyncio.run(idle_suite.wait(server_at(url, keys_file), seconds, tell))
    except ServerError as error:
        raise environment(str(error)) from error
    if calls:
        typer.echo(f"{calls} calls still go on after {seconds:g} s", err=True)
        raise typer.Exit(1)


def server(url: Url, keys_file: KeysFile) -> None:
    """Check that the server can be used from here by a gateway: exit 2 with what to change."""
    from releve.probe.caller import server_check
    from releve.probe.caller.join import ServerError

    try:
        asyncio.run(server_check.check(server_at(url, keys_file)))
    except ServerError as error:
        raise environment(str(error)) from error
