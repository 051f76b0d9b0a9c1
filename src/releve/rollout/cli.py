"""`releve rollout …`"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from releve.gateway.operator import logs
from releve.rollout import folder, operator
from releve.rollout import plan as plans
from releve.rollout.controller import Controller
from releve.rollout.folder import InUse
from releve.rollout.journal import JournalError
from releve.rollout.operator import Refused
from releve.rollout.plan import Plan, PlanError
from releve.rollout.policy import Wish

STATE = Path("/var/lib/releve/rollout")
EXIT = {"passed": 0, "rolled_back": 1, "superseded": 1, "waiting": 3}
AGAIN_SECONDS = 1.0

State = Annotated[Path, typer.Option("--state", help="The controller's folder: journal, socket.")]
By = Annotated[str | None, typer.Option(help="Who asks, for the journal; else user and host.")]

app = typer.Typer(
    help="Move new rooms to a release step by step, watched, and back by itself.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def run(
    plan: Annotated[Path, typer.Option(help="The plan, YAML or JSON.")],
    state: State = STATE,
) -> None:
    """Carry out a plan, or go on with it, until SIGTERM.

    After the rollout has ended its status is still told: started again it changes nothing.
    """
    logs.configure()
    try:
        asked = plans.load(plan)
        asyncio.run(_run(asked, state))
    except (PlanError, JournalError, InUse) as error:
        _stop(error)
    except OSError as error:
        _stop(f"{error.filename or state}: {error.strerror or error}")


async def _run(plan: Plan, home: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with folder.opened(plan, home) as journal:
        await Controller(plan, journal, home).run(stop)


@app.command()
def approve(state: State = STATE, by: By = None) -> None:
    """Go on: with the step that waits for it, or although a gate has no answer."""
    _wish(state, "approve", by)


@app.command()
def pause(state: State = STATE, by: By = None) -> None:
    """Hold the weights until `resume`. They are watched on, and a breach goes back."""
    _wish(state, "pause", by)


@app.command()
def resume(state: State = STATE, by: By = None) -> None:
    """Go on after `pause`; where a person is waited for, ask the gates again."""
    _wish(state, "resume", by)


@app.command()
def status(
    state: State = STATE,
    as_json: Annotated[bool, typer.Option("--json", help="All of it, for programs.")] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Until it has ended or waits for a person. Exit 0 passed, 1 rolled back or "
            "superseded, 3 waiting.",
        ),
    ] = False,
) -> None:
    """Where the rollout is, and what happened. Without a controller: what its journal says."""
    try:
        now = asyncio.run(_status(state, wait))
    except Refused as error:
        _stop(error)
    typer.echo(json.dumps(now, indent=2) if as_json else _text(now))
    if wait:
        raise typer.Exit(EXIT[now["verdict"]])


async def _status(home: Path, wait: bool) -> dict[str, Any]:
    while True:
        now = await operator.status(home)
        if not wait or now["verdict"] is not None:
            return now
        await asyncio.sleep(AGAIN_SECONDS)


def _wish(home: Path, wish: Wish, by: str | None) -> None:
    user = os.environ.get("SUDO_USER") or os.environ.get("USER") or f"uid {os.getuid()}"
    try:
        now = asyncio.run(operator.wish(home, wish, by or f"{user}@{socket.gethostname()}"))
    except Refused as error:
        _stop(error)
    typer.echo(_summary(now))


def _text(now: dict[str, Any]) -> str:
    lines = [f"{entry['at']}  {entry['text']}" for entry in now["journal"]]
    gates = [
        f"gate {name}: {gate['answer']}{': ' * bool(gate['said'])}{'; '.join(gate['said'])}"
        for name, gate in now.get("gates", {}).items()
    ]
    return "\n".join([*lines, *gates, _summary(now)])


def _summary(now: dict[str, Any]) -> str:
    weights = (now["weights"] or {}).items()
    said = [f"rollout {now['id']}: {(now['verdict'] or now['phase']).replace('_', ' ')}"]
    if now["step"]:
        said.append(f"step {now['step']} of {now['steps']}")
        said += [f"{colour} {weight} %" for colour, weight in weights]
    if now["left_seconds"]:
        said.append(f"watched for {now['left_seconds']:.0f} s more")
    if now["waits_for"] and now["verdict"] is None:
        said.append(f"waits for {now['waits_for']}")
    if now["reason"]:
        said.append(now["reason"])
    if not now["controller"]:
        said.append("no controller answers: this is what its journal says")
    return "; ".join(said)


def _stop(error: object) -> NoReturn:
    typer.echo(f"releve rollout: {error}", err=True)
    raise typer.Exit(2)
