"""`releve probe`: what a caller hears, measured. Exit 0 pass, 1 gate failed, 2 environment,
3 inconclusive: the host was too busy to tell.

Suites that judge an agent; calls.py has the commands about calls that are held.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from releve.probe.cli import budget as cli_budget
from releve.probe.cli import calls as cli_calls
from releve.probe.cli.options import (
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
)
from releve.probe.judgement import gates

app = typer.Typer(
    help="Synthetic calls that measure what a caller hears.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli_calls.add_to(app)
cli_budget.add_to(app)


@app.command()
def echo(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    calls: Annotated[int, typer.Option(min=1, max=20)] = 2,
    chirps: Annotated[int, typer.Option(min=1, max=60, help="per call")] = 20,
    floor: Annotated[
        bool, typer.Option("--floor", help="caller to caller in the same run")
    ] = False,
    limit: Limits = None,
    gate: Annotated[
        list[str] | None, typer.Option(help="judge by this gate alone; may be repeated")
    ] = None,
    out: Out = None,
) -> None:
    """Call an echoing agent, time chirps there and back, and judge them by the gates."""
    from releve.probe.suites import echo as suite  # the SDK loads slowly: only who needs it pays

    judges = gates_of("echo", limit, gate)
    if too_few := suite.too_few(judges, calls, chirps):
        raise environment(too_few)
    server = server_at(url, keys_file, agent_name, caller)
    judge(suite.run(server, name, colour, judges, calls=calls, chirps=chirps, floor=floor), out)


@app.command()
def connect(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    row: Annotated[int, typer.Option(min=1, max=100, help="calls one after the other")] = 5,
    at_once: Annotated[int, typer.Option(min=0, max=20, help="calls at the same time")] = 3,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Join, wait for the agent's audio, leave; and try tokens that must be refused."""
    from releve.probe.suites import connect as suite

    judges = gates_of("connect", limit)
    server = server_at(url, keys_file, agent_name, caller)
    judge(suite.run(server, name, colour, judges, row=row, at_once=at_once), out)


@app.command()
def network(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    cut: Annotated[float, typer.Option(min=1, max=30, help="seconds in which nothing passes")] = 5,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Cut a caller's network during a call to an echoing agent, and call with UDP blocked."""
    from releve.probe.suites import network as suite

    judges = gates_of("network", limit)
    server = server_at(url, keys_file, agent_name, caller)
    judge(suite.run(server, name, colour, judges, cut_seconds=cut), out)


@app.command("app")
def as_app(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    chirps: Annotated[int, typer.Option(min=1, max=60)] = 20,
    browser: Annotated[
        Path | None, typer.Option(help="in headless Chromium, by this livekit-client.umd.js")
    ] = None,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Do what the Flutter app does, and check every answer of the server that it relies on."""
    from releve.probe.app import in_browser, suite

    judges = gates_of("app", limit)
    server = server_at(url, keys_file, agent_name, caller)
    if browser is None:
        run = suite.run(server, name, colour, judges, chirps=chirps)
    else:
        run = in_browser.run(server, name, colour, judges, chirps=chirps, library=browser)
    judge(run, out, file=f"--browser {browser}")


@app.command()
def conversation(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    calls: Annotated[int, typer.Option(min=1, max=20, help="calls one after the other")] = 2,
    sentence: Sentence = None,
    expect: Annotated[
        list[str] | None, typer.Option(help="words a reply must have; may be repeated")
    ] = None,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Say a sentence to a talking agent, time its reply, and read its transcription."""
    from releve.probe.suites import conversation as suite

    judges = gates_of("conversation", limit)
    server = server_at(url, keys_file, agent_name, caller)
    samples = sentence_of(sentence)
    run = suite.run(server, name, colour, judges, samples, calls=calls, expect=expect or ())
    judge(run, out)


@app.command()
def compare(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    beside: Annotated[str, typer.Option(help="agent name that reaches the other colour alone")],
    agent_name: AgentName = None,
    caller: Caller = None,
    calls: Annotated[int, typer.Option(min=2, max=10, help="of each colour")] = 2,
    chirps: Annotated[int, typer.Option(min=10, max=120, help="per call")] = 20,
    talks: Annotated[
        bool, typer.Option("--talks", help="by the times to replies, of agents that talk")
    ] = False,
    turns: Annotated[int, typer.Option(min=3, max=20, help="per call, where they talk")] = 3,
    sentence: Sentence = None,
    limit: Limits = None,
    out: Out = None,
) -> None:
    """Call two colours in the same seconds: proven no slower than the other, else exit 1 or 3."""
    from releve.probe.suites import compare as suite

    judges = gates_of("compare", limit)
    (gate,) = gates.for_kind(judges, "talks" if talks else "echo")
    server, other = (server_at(url, keys_file, who, caller) for who in (agent_name, beside))
    if talks:
        said = sentence_of(sentence)
        run = suite.run_talking(server, other, name, colour, gate, said, calls=calls, turns=turns)
    else:
        run = suite.run(server, other, name, colour, gate, calls=calls, chirps=chirps)
    judge(run, out)


@app.command()
def kind(
    url: Url,
    keys_file: KeysFile,
    name: Name,
    colour: Colour,
    agent_name: AgentName = None,
    caller: Caller = None,
    sentence: Sentence = None,
    expect: Annotated[
        str | None, typer.Option(help="fail when it is another: echo, talks or listens")
    ] = None,
    out: Out = None,
) -> None:
    """Find out by one call what an agent is: it echoes, talks, only listens, or needs something."""
    from releve.probe.suites import kind as suite

    if expect not in (None, *suite.KINDS):
        raise environment(f"--expect {expect}: one of {', '.join(suite.KINDS)}")
    server = server_at(url, keys_file, agent_name, caller)
    judge(suite.run(server, name, colour, sentence_of(sentence), expect=expect), out)
