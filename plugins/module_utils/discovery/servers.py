"""LiveKit Servers: by their program, by their answer, and by where agents are connected to."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

from .places import Place, Places
from .processes import Process, Processes
from .sockets import End, Sockets, http_get

PROGRAM = "livekit-server"
SECONDS = 20.0
_VERSION = re.compile(r"\d+\.\d+\.\d+[\w.+-]*")


@dataclass(frozen=True)
class Server:
    """One server; `process` and `place` are None where it does not run on this host.

    `port` is the one at which it answers; `version_from` says who told the version.
    """

    name: str
    process: Process | None = None
    place: Place | None = None
    port: int | None = None
    url: str | None = None
    version: str | None = None
    version_from: str | None = None


def is_server(process: Process) -> bool:
    """Whether the program that runs is named as LiveKit's."""
    return process.program == PROGRAM


def is_gateway(process: Process, place: Place) -> bool:
    """Whether it is Relève's own."""
    return place.colour == "gateway" or (
        "gateway" in process.argv and any(item.endswith("/releve") for item in process.argv[:2])
    )


def here(process: Process, processes: Processes, places: Places, sockets: Sockets) -> Server:
    """A server that runs on this host. A program of another name is not asked for its version."""
    place = places.of(process)
    version = _said_by(process, place, processes, places) if is_server(process) else None
    return Server(
        place.name,
        process,
        place,
        answers_at(process, sockets),
        version=version,
        version_from=f"{PROGRAM} --version" if version else None,
    )


def elsewhere(url: str) -> Server:
    """One that is not on this host, or behind what we cannot look through."""
    return Server(urlsplit(url).hostname or url, url=url)


def answers_at(process: Process, sockets: Sockets) -> int | None:
    """The port at which a process answers as LiveKit does: it refuses who shows no token."""
    ends: dict[int, End] = {end.port: end for end in sockets.listening(process)}
    for port, end in ends.items():
        answer = http_get(process.pid, end, "/rtc/validate")
        if answer is not None and answer[0] == 401:
            return port
    return None


def _said_by(process: Process, place: Place, processes: Processes, places: Places) -> str | None:
    """What the very program that runs says, as its own user."""
    if place.kind == "container":
        said = places.said(place, [process.exe, "--version"], user=process.user)
    else:
        said = _run(processes, process) if process.shares_root else None
    return version_in(said)


def version_in(said: str | None) -> str | None:
    """The version in a text, with its v; nothing else of what a strange program may say."""
    found = _VERSION.search(said or "")
    return f"v{found[0]}" if found else None


def _run(processes: Processes, process: Process) -> str | None:
    try:
        done = subprocess.run(
            [str(processes.proc / str(process.pid) / "exe"), "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env={},
            cwd="/",
            user=process.uid,
            group=process.gid,
            extra_groups=[],
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
