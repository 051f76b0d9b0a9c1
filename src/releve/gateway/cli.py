"""`releve gateway …`"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import platform
from collections import deque
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import typer
import uvloop
from rich.console import Console, Group
from rich.live import Live

from releve import keys
from releve.gateway import app as gateway
from releve.gateway import cli_handover
from releve.gateway import config as settings
from releve.gateway.auth.certificate import CertificateError
from releve.gateway.config import DEFAULT
from releve.gateway.decisions import file as decisions_file
from releve.gateway.decisions.change import NEXT
from releve.gateway.operator import logs, terminal
from releve.gateway.operator.client import Client, Refused
from releve.gateway.policy import COLOURS

T = TypeVar("T")
Socket = Annotated[Path, typer.Option("--socket", help="The gateway's admin socket.")]
SOCKET = Path("/run/releve/admin.sock")
Agent = Annotated[str, typer.Option("--agent", help="Its name in the gateway's settings.")]
USAGE_ERRORS = (
    settings.ConfigError,
    keys.KeysError,
    CertificateError,
    decisions_file.StateError,
    decisions_file.Locked,
)
EVENTS_SHOWN = 12
STATE_SECONDS = 1.0
"""Of thousands of workers the state is long: `watch` asks for it no more often than this."""

app = typer.Typer(help="The dispatch gateway.", no_args_is_help=True)


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="Settings, a YAML file.")] = Path(
        "/etc/releve/gateway.yaml"
    ),
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Start beside a gateway that gets SIGTERM next."),
    ] = False,
) -> None:
    """Stand between the LiveKit server and the workers of both colours until SIGTERM."""
    logs.configure()
    try:
        uvloop.run(gateway.run(settings.load(config), take_over=take_over))
    except USAGE_ERRORS as error:
        typer.echo(f"releve gateway: {error}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(
            f"releve gateway: cannot listen: {error}; to replace a gateway, use --take-over",
            err=True,
        )
        raise typer.Exit(2) from error
    finally:
        logs.drain()


@app.command("state")
def show_state(socket: Socket = SOCKET) -> None:
    """Weights, workers, and whether the server is there."""
    Console().print(terminal.whole(_do(Client(socket).ask("GET", "/state"))))


@app.command()
def jobs(socket: Socket = SOCKET) -> None:
    """Jobs that run, and those that ended lately."""
    Console().print(terminal.jobs(_do(Client(socket).ask("GET", "/jobs"))))


@app.command()
def why(
    room: Annotated[str, typer.Argument(help="The room's name.")],
    socket: Socket = SOCKET,
) -> None:
    """Why that room has the agent that it has, or none, and what to do about it."""
    query = urlencode({"room": room})
    Console().print(terminal.why(_do(Client(socket).ask("GET", f"/why?{query}"))))


@app.command()
def weights(
    green: Annotated[int, typer.Argument(help="Percent of new rooms for green.")],
    allow_unserved: Annotated[
        bool, typer.Option("--allow-unserved", help="Also to a colour without a worker.")
    ] = False,
    agent: Agent = DEFAULT,
    socket: Socket = SOCKET,
) -> None:
    """Flip: green gets that many percent of the new rooms, blue the others. A rollout that is
    under way is superseded."""
    parts = {"weights": {"blue": 100 - green, "green": green}, "allow_unserved": allow_unserved}
    answer = _do(_decide(Client(socket), agent, parts))
    said = "set" if answer["changed"] else "unchanged"
    now = answer["weights"]
    typer.echo(f"{answer['agent']}: blue {now['blue']} %, green {now['green']} %: {said}")


@app.command("list")
def list_(
    colour: Annotated[str, typer.Argument(help="blue or green.")],
    names: Annotated[list[str] | None, typer.Argument(help="Rooms and callers.")] = None,
    agent: Agent = DEFAULT,
    socket: Socket = SOCKET,
) -> None:
    """These rooms and callers go to that colour first, whatever the weights; without names, none
    do. The list ends when somebody gives the colour weight 0."""
    answer = _do(_decide(Client(socket), agent, {"lists": {colour: names or []}}))
    listed = ", ".join(answer["lists"][colour]) or "nobody"
    typer.echo(f"{answer['agent']}: first to {colour}: {listed}")


@app.command()
def cordon(
    what: Annotated[str, typer.Argument(help="blue, green, a worker's id, or an address.")],
    off: Annotated[bool, typer.Option("--off", help="Let it take calls again.")] = False,
    agent: Agent = DEFAULT,
    socket: Socket = SOCKET,
) -> None:
    """No new calls; those that run go on."""
    _do(_cordon(Client(socket), what, not off, agent))
    typer.echo(f"{what} {'takes calls again' if off else 'takes no new calls'}")


@app.command()
def drain(
    what: Annotated[str, typer.Argument(help="blue, green, or a worker's id.")],
    seconds: Annotated[float, typer.Option(help="How long to wait.")] = 3600.0,
    agent: Agent = DEFAULT,
    socket: Socket = SOCKET,
) -> None:
    """Cordon, and wait until the last call is over. Exit 1 when it is not in that time."""

    async def wait() -> None:
        client = Client(socket)
        done = await _cordon(client, what, True, agent)
        if "agent" not in done:
            raise Refused(f"{what} is cordoned; to wait, name a colour or a worker's id")
        target = {"agent": done["agent"], "name": what}
        async with asyncio.timeout(seconds):
            async for kind, content in client.follow():
                if kind == "state" and what in content["agents"][done["agent"]]["drained"]:
                    return
                if kind == "state" and not _is_known(what, content):
                    raise Refused(
                        f"this gateway does not know {what} any more, and its cordon is over: the "
                        "gateway was replaced. Cordon the worker's new id (releve gateway state) "
                        "or its address"
                    )
                if kind == "drained" and content.items() >= target.items():
                    return

    try:
        _do(wait())
    except TimeoutError:
        typer.echo(f"{what} still has calls after {seconds:g} s; it stays cordoned", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{what} is drained")


@app.command()
def handover(
    room: cli_handover.Room = None,
    colour: cli_handover.Colour = None,
    every: cli_handover.Every = 2.0,
    at_once: cli_handover.AtOnce = 1,
    context_seconds: cli_handover.ContextSeconds = 3.0,
    without_context: cli_handover.WithoutContext = False,
    cancel: cli_handover.Cancel = False,
    agent: Agent = DEFAULT,
    socket: Socket = SOCKET,
) -> None:
    """Move live calls to the other colour, one after the other. Exit 1 when one stays."""
    if cancel:
        typer.echo(cli_handover.summary(_do(Client(socket).ask("DELETE", "/handover"))))
        return
    body = {
        "by": f"operator {_who()}",
        "room": room,
        "colour": colour,
        "every": every,
        "at_once": at_once,
        "context_seconds": context_seconds,
        "without_context": without_context,
    }
    told = _do(cli_handover.hand_over(Client(socket), agent, body))
    typer.echo(cli_handover.summary(told))
    if not cli_handover.is_whole(told):
        raise typer.Exit(1)


@app.command()
def watch(socket: Socket = SOCKET) -> None:
    """The state and what happens, live, until Ctrl-C."""

    async def live() -> None:
        client, last = Client(socket), deque[str](maxlen=EVENTS_SHOWN)
        clock = asyncio.get_running_loop().time
        now: dict[str, Any] = {}
        asked = clock()
        with Live(auto_refresh=False) as view:
            async for kind, content in client.follow():
                if kind == "state":
                    now = content
                else:
                    last.append(terminal.event(kind, content))
                    if clock() - asked > STATE_SECONDS:
                        now, asked = await client.ask("GET", "/state"), clock()
                view.update(Group(terminal.whole(now), *last), refresh=True)

    with contextlib.suppress(KeyboardInterrupt):
        _do(live())


def _is_known(what: str, state: dict[str, Any]) -> bool:
    workers = [worker["id"] for worker in state["workers"]]
    return what in (*COLOURS, *workers, *state.get("cordoned_away", []))


async def _cordon(client: Client, what: str, wanted: bool, agent: str) -> Any:
    if what in COLOURS:
        return await _decide(client, agent, {"cordons": {what: wanted}})
    return await client.ask("PUT", f"/workers/{what}/cordon", {"cordoned": wanted})


async def _decide(client: Client, agent: str, parts: dict[str, object]) -> Any:
    body = {"by": f"operator {_who()}", "epoch": NEXT, **parts}
    return await client.ask("PUT", f"/decisions?{urlencode({'agent': agent})}", body)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container a user need not have a name
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


def _do(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except Refused as error:
        typer.echo(f"releve gateway: {error}", err=True)
        raise typer.Exit(2) from error
