"""The interpreter that an agent runs on, and what that interpreter is asked."""

from __future__ import annotations

import contextlib
import inspect
import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..interpreter import Interpreter, interpreters
from . import inside
from .inside import KEY, URL
from .places import Places
from .processes import Process, Processes

ENVIRONMENT = "its environment"
SECONDS = 60.0


@dataclass(frozen=True)
class Settings:
    """Where an agent reads its URL and its keys; of the keys never more than that."""

    url: str | None = None
    url_from: str | None = None
    keys_from: str | None = None

    @property
    def address(self) -> SplitResult | None:
        """The URL taken apart; None where it is no address."""
        try:
            parts = urlsplit(self.url or "")
            return parts if parts.hostname and parts.port != 0 else None
        except ValueError:
            return None

    @property
    def tls_host(self) -> str | None:
        """The host for which it wants a certificate; None where it speaks no TLS."""
        parts = self.address
        return parts.hostname if parts and parts.scheme in ("wss", "https") else None


class Program:
    """Asks an agent's interpreter, as the agent's user, where the agent lives.

    In a container by its engine, so with no more rights than the container has; the files of any
    other sandbox are not run here.
    """

    def __init__(self, processes: Processes, places: Places, process: Process) -> None:
        self._processes = processes
        self._places = places
        self._process = process
        self.place = places.of(process)

    @property
    def packages(self) -> dict[str, str] | None:
        """LiveKit's packages, `python` and its `executable`; None where no interpreter has any."""
        return self._own[1] if self._own else None

    @cached_property
    def _own(self) -> tuple[Interpreter, dict[str, str]] | None:
        """The nearest that has livekit-agents, else one that has LiveKit's SDK alone."""
        bare = None
        for one in interpreters(self._process.pid, self._processes.proc):
            said = self._ask_of(one, "packages")
            if isinstance(said, dict) and "livekit-agents" in said:
                return one, _texts(said)
            if isinstance(said, dict) and "livekit" in said:
                bare = bare or (one, _texts(said))
        return bare

    @cached_property
    def settings(self) -> Settings:
        """From the environment that it was started with, else from the `.env` that it reads."""
        environment = self._processes.environment(self._process.pid)
        url, keys = environment.get(URL), ENVIRONMENT if environment.get(KEY) else None
        if url and keys:
            return Settings(_shown(url), ENVIRONMENT, keys)
        said = self._ask("dotenv", **self._where())
        if not isinstance(said, dict) or not said.get("path"):
            return Settings(_shown(url), ENVIRONMENT if url else None, keys)
        path, theirs = printable(said["path"]), _shown(said.get("url"))
        return Settings(
            _shown(url) or theirs,
            ENVIRONMENT if url else path if theirs else None,
            keys or (path if KEY in (said.get("names") or ()) else None),
        )

    def keys(self) -> tuple[str, str] | None:
        """API key and secret, for a keys file; never to be returned."""
        said = self._ask("keys", **self._where())
        return (str(said[0]), str(said[1])) if isinstance(said, list) and len(said) == 2 else None

    def server(self, url: str) -> dict[str, str] | None:
        """What the server at this URL says to a worker: `version` and `node`."""
        said = self._ask("version", url=url, **self._where())
        return _texts(said) if isinstance(said, dict) and said.get("version") else None

    def rooms(self, url: str) -> list[dict[str, str]] | None:
        """Who is in which room, by the server's word: `room`, `identity`, `kind`."""
        said = self._ask("rooms", url=url, **self._where())
        return [_texts(each) for each in said] if isinstance(said, list) else None

    def _where(self) -> dict[str, Any]:
        script = next((item for item in self._process.argv[1:] if item.endswith(".py")), None)
        return {"folder": self._process.cwd, "script": script}

    def _ask(self, question: str, **given: Any) -> Any:
        return self._ask_of(self._own[0], question, **given) if self._own else None

    def _ask_of(self, interpreter: Interpreter, question: str, **given: Any) -> Any:
        argv = [interpreter.program, "-c", inspect.getsource(inside), question, json.dumps(given)]
        if self.place.kind == "container":
            said = self._places.said(
                self.place,
                argv,
                environment=interpreter.env,
                workdir=interpreter.cwd,
                user=interpreter.user,
            )
        else:
            said = self._run(argv) if self._process.shares_root else None
        with contextlib.suppress(ValueError):
            return json.loads(said or "")
        return None

    def _run(self, argv: list[str]) -> str | None:
        """As the user of the process, in its folder, with the environment it was started with."""
        try:
            done = subprocess.run(
                argv,
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
                cwd=self._process.cwd,
                env=self._processes.environment(self._process.pid),
                user=self._process.uid,
                group=self._process.gid,
                extra_groups=[],
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout if done.returncode == 0 else None


def printable(said: object) -> str:
    """What was said, in one line and without what a terminal obeys: who says it is not ours."""
    return "".join(filter(str.isprintable, str(said)))


def _texts(said: dict[Any, Any]) -> dict[str, str]:
    return {printable(name): printable(value) for name, value in said.items()}


def _shown(url: object) -> str | None:
    """Without user, password and question, which may be secrets."""
    if not url:
        return None
    scheme, _, rest = printable(url).partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}" if rest else scheme
