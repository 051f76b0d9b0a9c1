"""A green whose own port can be set: on the host's network blue has the one that is the default."""

from __future__ import annotations

import os
from pathlib import Path

import echo
from livekit.agents import WorkerOptions, cli

if __name__ == "__main__":
    line = Path("/run/secrets/livekit_keys").read_text().strip()
    key, secret = (part.strip(" \"'") for part in line.split(":"))
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=echo.entrypoint,
            api_key=key,
            api_secret=secret,
            load_fnc=lambda _worker: 0.0,  # the default tells what the host's neighbours do
            num_idle_processes=1,
            port=int(os.environ["AGENT_PORT"]),
        )
    )
