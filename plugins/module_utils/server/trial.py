"""A configuration, tried by the server itself beside the one that runs.

The container has no network and writes nowhere: it takes no port, joins no cluster, meets nobody.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..stack import STACK
from .health import answers
from .place import owner_of

SUFFIX = "-server-trial"
INSIDE = "/livekit.trial.yaml"
SHARES = 64  # of a processor: people talk beside it
SECONDS = 60.0
REFUSED = "could not parse config"


class Trial:
    """On one engine, through a `docker.DockerClient`; `not_found` is raised for what is absent."""

    def __init__(self, client: Any, stack: str, folder: Path, not_found: type[Exception]) -> None:
        """`folder` is only root's: configurations stand there while they are tried."""
        self._client = client
        self._stack = stack
        self._name = stack + SUFFIX
        self._file = folder / "livekit.trial.yaml"
        self._not_found = not_found

    def refused(
        self, image: str, current: Mapping[str, Any], whole: str, alone: str, port: int
    ) -> str | None:
        """What the server says against a configuration, None where it starts with it.

        `whole` is only read by it; with `alone` it is started, until it answers at `port`.
        `current` is the container in service, for its variables and files.
        """
        said = self._read(image, current, whole)
        return said if REFUSED in said else self._start(image, current, alone, port)

    def _read(self, image: str, current: Mapping[str, Any], text: str) -> str:
        with self._container(image, current, text, ["ports"]) as made:
            made.wait(timeout=SECONDS)
            return str(made.logs().decode(errors="replace"))

    def _start(self, image: str, current: Mapping[str, Any], text: str, port: int) -> str | None:
        with self._container(image, current, text, []) as made:
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                made.reload()
                if not made.attrs["State"]["Running"]:
                    return str(made.logs().decode(errors="replace"))
                if answers(made.attrs["State"]["Pid"], port, ("127.0.0.1",)):
                    return None
                time.sleep(0.1)
            return f"it does not answer at port {port} within {SECONDS:g} s"

    @contextlib.contextmanager
    def _container(
        self, image: str, current: Mapping[str, Any], text: str, command: list[str]
    ) -> Iterator[Any]:
        self._gone()
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchown(handle, *owner_of(current))
            file.write(text)
        try:
            yield self._client.containers.run(
                image,
                ["--config", INSIDE, *command],
                name=self._name,
                detach=True,
                labels={STACK: self._stack},
                environment=_variables(current, text),
                user=current["Config"].get("User") or None,
                network_mode="none",
                read_only=True,
                cpu_shares=SHARES,
                volumes=[f"{self._file}:{INSIDE}:ro", *_read_only(current)],
            )
        finally:
            self._gone()
            self._file.unlink(missing_ok=True)

    def _gone(self) -> None:
        with contextlib.suppress(self._not_found):
            self._client.containers.get(self._name).remove(force=True)


def _variables(current: Mapping[str, Any], text: str) -> list[str]:
    """Without keys where the configuration has some: they would decide over it."""
    given = list(current["Config"].get("Env") or ())
    if not text.startswith("keys:") and "\nkeys:" not in text:
        return given
    return [one for one in given if not one.startswith("LIVEKIT_KEYS=")]


def _read_only(current: Mapping[str, Any]) -> list[str]:
    """The files that the one in service has mounted, as its certificates."""
    return [
        f"{one['Source']}:{one['Destination']}:ro"
        for one in current["Mounts"]
        if one["Type"] == "bind" and one["Destination"] != INSIDE
    ]
