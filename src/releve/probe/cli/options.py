"""Shared by the commands of `releve probe`: options, keys, output of a suite's verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from releve import keys
from releve.probe.judgement import gates

if TYPE_CHECKING:  # importing the SDK costs a CPU second, and not every command makes calls
    from releve.probe.caller.join import Server
    from releve.probe.media.signal import Samples

INCONCLUSIVE = 3  # exit code: the gate has no answer, neither pass nor fail

Url = Annotated[str, typer.Option(help="LiveKit server, ws:// or wss://")]
Limits = Annotated[
    list[str] | None, typer.Option("--limit", help="`<gate>=<number>` instead of its default")
]
Name = Annotated[str, typer.Option(help="the probe's name in the report")]
Colour = Annotated[str, typer.Option(help="blue or green: who is measured")]
AgentName = Annotated[
    str | None,
    typer.Option(help="dispatch to this agent name only: an agent's own, or a dark colour's"),
]
Out = Annotated[Path | None, typer.Option(help="write the probe object here")]
Caller = Annotated[
    Path | None,
    typer.Option(help="YAML: how our calls look, as agents may need (docs/agents.md)"),
]
Sentence = Annotated[
    Path | None, typer.Option(help="WAV of 16-bit samples; without it `let us begin`")
]
KeysFile = Annotated[Path, typer.Option(help="YAML `<api key>: <api secret>`, mode 0600")]


def judge(
    suite: Coroutine[Any, Any, dict[str, Any]], out: Path | None, *, file: str | None = None
) -> None:
    """Run a suite and tell its probe object; exit 1 when a gate fails, INCONCLUSIVE without answer.

    `file`: the option and path that an OSError or ValueError of the suite is about.
    """
    from releve.browser import BrowserError
    from releve.probe.caller.join import ServerError
    from releve.probe.host.isolated_process import CrashError

    try:
        probe = asyncio.run(suite)
    except (ServerError, BrowserError, CrashError) as error:
        raise environment(str(error)) from error
    except (OSError, ValueError) as error:
        if file is None:
            raise
        raise environment(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    _write(probe, out)
    if not probe["passed"]:
        unsure = probe["answer"] == "inconclusive"
        how = "is inconclusive" if unsure else "failed"
        said = f"probe {probe['name']} of {probe['colour']} {how}: {probe['reason']}"
        typer.echo(said if out is None else f"{said}; evidence: {out}", err=True)
        raise typer.Exit(INCONCLUSIVE if unsure else 1)


def _write(probe: dict[str, Any], out: Path | None) -> None:
    text = json.dumps(probe, indent=2)
    if out is None:
        typer.echo(text)
        return
    try:
        out.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise environment(f"--out {out}: {error.strerror}") from error


def gates_of(
    suite: str, limits: list[str] | None, only: list[str] | None = None
) -> list[gates.Gate]:
    try:
        return gates.of(suite, limits or (), only or ())
    except gates.GateError as error:
        raise environment(str(error)) from error


def server_at(
    url: str, keys_file: Path, agent_name: str | None = None, caller: Path | None = None
) -> Server:
    """An empty `agent_name` is none."""
    from releve.probe.caller import profile
    from releve.probe.caller.join import Server

    try:
        looks = profile.Profile() if caller is None else profile.load(caller)
        return Server(url, keys.load(keys_file), agent_name or None, looks)
    except keys.KeysError as error:
        raise environment(str(error)) from error
    except profile.ProfileError as error:
        raise environment(f"--caller {error}") from error


def sentence_of(path: Path | None) -> Samples:
    """What is said to agents that talk: a WAV, or `let us begin`."""
    from releve.probe.suites import conversation

    with resources.as_file(resources.files("releve.probe.suites") / "let-us-begin.wav") as ours:
        try:
            return conversation.load(path or ours)
        except conversation.SentenceError as error:
            raise environment(f"--sentence {error}") from error


def tell(sentence: str) -> None:
    """Print the progress of a long suite."""
    typer.echo(sentence, err=True)


def environment(sentence: str) -> typer.Exit:
    """Print what the operator must change. Raise the returned exception: exit 2."""
    typer.echo(sentence, err=True)
    return typer.Exit(2)
