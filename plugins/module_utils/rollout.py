"""The rollout's controller, spoken to over its unix socket. Standard library only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from .gateway import GatewayError, UnixApi

AWAY_SECONDS = 60.0
"""A controller whose container starts anew is back long before."""
LOOK_SECONDS = 0.5
ENDED = ("passed", "rolled_back", "superseded", "waiting")


class Controller(UnixApi):
    """The one whose state folder this is."""

    what = "rollout controller"

    def __init__(self, folder: str) -> None:
        super().__init__(str(Path(folder, "control.sock")))

    def status(self) -> dict[str, Any]:
        """Where the rollout is. Raises GatewayError."""
        return dict(self.request("GET", "/status"))

    def wish(self, what: str, by: str) -> dict[str, Any]:
        """Ask it to approve, pause or resume; its status then. Raises GatewayError."""
        return dict(self.request("POST", f"/{what}", {"by": by}))

    def end(self) -> dict[str, Any]:
        """Its status once it has ended, or waits for a person.

        Raises GatewayError when it does not answer for AWAY_SECONDS.
        """
        heard = time.monotonic()
        while True:
            try:
                status = self.status()
            except GatewayError:
                if time.monotonic() > heard + AWAY_SECONDS:
                    raise
            else:
                heard = time.monotonic()
                if status["verdict"] in ENDED:
                    return status
            time.sleep(LOOK_SECONDS)
