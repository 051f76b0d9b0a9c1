"""The rooms under way, in a file beside the state file: a gateway that is killed midway leaves two
agents in a room, and the next one has to know which of them is to stay."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from releve.gateway.policy import COLOURS, Colour

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """`leaving`: the new agent is there, and the old one is being removed."""

    agent: str
    room: str
    to: Colour
    identity: str
    job: str | None
    leaving: bool = False


class OpenRooms:
    """Each step is written before it is taken. It is not synced to disk: what is written outlives
    the process, and a host that loses its power has no agents to tell apart."""

    def __init__(self, state_file: Path) -> None:
        self._path = Path(f"{state_file}.handover")
        self._rooms: dict[tuple[str, str], OpenRoom] = {}

    def __contains__(self, place: tuple[str, str]) -> bool:
        return place in self._rooms

    def load(self) -> list[OpenRoom]:
        """What the gateway before this one left open."""
        try:
            found = [_record(raw) for raw in json.loads(self._path.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error(
                "rooms under way are not known: look for rooms with two agents (GET /calls)",
                extra={"file": str(self._path), "why": str(error)},
            )
            return []
        self._rooms = {(it.agent, it.room): it for it in found} | self._rooms
        return found

    def put(self, room: OpenRoom) -> None:
        """Before the step is taken. Raises OSError; then nothing has changed."""
        self._write({**self._rooms, (room.agent, room.room): room})

    def drop(self, agent: str, room: str) -> None:
        """It is over. What cannot be written is found over by the next gateway, too."""
        rooms = {place: it for place, it in self._rooms.items() if place != (agent, room)}
        try:
            self._write(rooms)
        except OSError as error:
            log.warning("the end of a handover is not kept", extra={"why": str(error)})
            self._rooms = rooms

    def _write(self, rooms: dict[tuple[str, str], OpenRoom]) -> None:
        body = json.dumps([_entry(it) for it in rooms.values()])
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(body)
            Path(name).replace(self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
        self._rooms = rooms


def _entry(room: OpenRoom) -> dict[str, Any]:
    return {name: getattr(room, name) for name in OpenRoom.__slots__}


def _record(raw: Any) -> OpenRoom:
    if raw["to"] not in COLOURS:
        raise ValueError(f"no such colour: {raw['to']!r}")
    job = raw["job"]
    return OpenRoom(
        str(raw["agent"]),
        str(raw["room"]),
        raw["to"],
        str(raw["identity"]),
        None if job is None else str(job),
        bool(raw["leaving"]),
    )
