"""`releve gateway …`"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from releve import keys
from releve.gateway import app as gateway
from releve.gateway import config as settings
from releve.gateway import logs, state

app = typer.Typer(help="The dispatch gateway.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The dispatch gateway."""


@app.command()
def run(
    config: Annotated[Path, typer.Option(help="Settings, a YAML file.")] = Path(
        "/etc/releve/gateway.yaml"
    ),
) -> None:
    """Stand between the LiveKit server and the workers of both colours until SIGTERM."""
    logs.configure()
    try:
        asyncio.run(gateway.run(settings.load(config)))
    except (settings.ConfigError, keys.KeysError, state.StateError) as error:
        typer.echo(f"releve gateway: {error}", err=True)
        raise typer.Exit(2) from error
    except OSError as error:
        typer.echo(f"releve gateway: cannot listen: {error}", err=True)
        raise typer.Exit(2) from error
