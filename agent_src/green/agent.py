"""The agent on livekit 1.0.10 and livekit-agents 1.1.3: an echo, or a speaking coach."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import echo
from livekit.agents import Plugin, Worker, WorkerOptions, cli

MOST_CALLS = 20
INITIALIZE_SECONDS = 120.0
NO_COACH = "this image holds the echo alone: AGENT_MODE coach needs the one tagged -coach"
MODES = ("echo", "coach")
KEYS_FILE = Path(os.environ.get("LIVEKIT_KEYS_FILE", "/run/secrets/livekit_keys"))


def read_keys(path: Path) -> tuple[str, str]:
    """(API key, secret) from the first `<api key>: <api secret>` line, as in LiveKit's `keys:`.

    Raises ValueError when there is none, OSError when the file cannot be read.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        key, colon, secret = (part.strip(" \t\"'") for part in line.partition(":"))
        if colon and secret and not key.startswith("#"):
            return key, secret
    raise ValueError(f"{path} holds no `<api key>: <api secret>` line")


def load(worker: Worker) -> float:
    """Calls in progress as a share of the most this worker takes.

    Not the CPU, which is the default: on a shared host it tells what the neighbours do, and a
    worker that is full of it takes no call.
    """
    return min(len(worker.active_jobs) / MOST_CALLS, 1.0)


def main() -> None:
    mode = os.environ.get("AGENT_MODE", "echo")
    if mode not in MODES:
        sys.exit(f"AGENT_MODE {mode!r} is not one of {', '.join(MODES)}")
    if mode == "coach":
        try:
            import settings
        except ModuleNotFoundError:
            sys.exit(NO_COACH)
        if wrong := settings.wrong_setting():
            sys.exit(wrong)
        import coach
    # What a plugin's package imports is imported once and inherited by every job's process.
    Plugin.register_plugin(Plugin(mode, "1", "livekit.agents"))
    api_key, api_secret = read_keys(KEYS_FILE)
    options = WorkerOptions(
        entrypoint_fnc=echo.entrypoint,
        api_key=api_key,
        api_secret=api_secret,
        load_fnc=load,
        # Each waits with about 60 MB; one ready is one call that need not wait for a start.
        num_idle_processes=2,
        # The SDK kills a process that is not ready in 10 s and starts the next: where the host is
        # too busy none ever is, and no worker registers. Slow is better than never.
        initialize_process_timeout=INITIALIZE_SECONDS,
    )
    if mode == "coach":
        options.entrypoint_fnc, options.prewarm_fnc = coach.entrypoint, coach.prewarm
    cli.run_app(options)


if __name__ == "__main__":
    main()
