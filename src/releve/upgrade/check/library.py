"""The target's types, for variables to be followed by."""

from __future__ import annotations

from functools import lru_cache

from releve.upgrade.syntax.library import Events
from releve.upgrade.syntax.types import ROOM_EVENTS
from releve.upgrade.target.signatures import Target, signature

ROOM = "livekit.rtc.room.Room"
SESSION = "livekit.agents.voice.agent_session.AgentSession"


class Types:
    """A target as a Library: types are the names under which its classes were defined."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def made(self, full: str) -> str | None:
        found = self.target.find(full) if full else None
        if found is None or found.missing or found.rest:
            return None
        kind, _, name = found.reference.partition(":")
        if found.member:
            told = found.member.startswith("s:")
            return (signature(found.member[2:]).returns or None) if told else None
        if kind == "c":
            return name
        made = self.target.function(name) if kind == "f" else None
        return (made.returns or None) if made else None

    def annotated(self, full: str) -> str | None:
        found = self.target.find(full) if full else None
        if found is None or found.missing or found.member or found.rest:
            return None
        return found.reference[2:] if found.reference.startswith("c:") else None

    def value(self, full: str) -> str | None:
        found = self.target.find(full)
        if found is None or found.missing:
            return None
        kind = found.reference[2:] if found.reference.startswith("v:") else ""
        if found.member.startswith("a:"):
            kind = found.member[2:]
        for name in found.rest:
            kind = self.target.attribute(kind, name)
        return kind or None

    def attribute(self, kind: str, name: str) -> str | None:
        return self.target.attribute(kind, name) or None

    def returned(self, kind: str, method: str) -> str | None:
        made = self.target.method(kind, method)
        return (made.returns or None) if made else None

    def element(self, kind: str | None) -> str | None:
        if kind is None:
            return None
        if kind.startswith("iter:"):
            return kind.removeprefix("iter:")
        return self.target.attribute(kind, "*") or None

    def events(self, kind: str) -> Events | None:
        return _events(self.target, kind)

    def given(self, function: str, place: int, parameter: str) -> str | None:
        return None  # the check follows types within a file


@lru_cache
def _events(target: Target, kind: str) -> Events | None:
    """With what its listeners are given, where the target's names tell."""
    if not target.derives(kind, "EventEmitter"):
        return None
    emitted: dict[str, tuple[str | None, ...]] = dict.fromkeys(target.events(kind), ())
    if kind == ROOM:
        for event, given in ROOM_EVENTS.items():
            emitted[event] = tuple(_class(target, told) for told in given)
    if kind == SESSION:
        for event in emitted:
            name = event.title().replace("_", "") + "Event"
            found = target.find(f"livekit.agents.{name}") or target.find(
                f"livekit.agents.voice.{name}"
            )
            if found and found.reference.startswith("c:"):
                emitted[event] = (found.reference[2:],)
    return emitted


def _class(target: Target, told: str | None) -> str | None:
    shape, _, name = (told or "").rpartition(":")
    found = target.find(f"livekit.{name}") if name else None
    if found is None or not found.reference.startswith("c:"):
        return None
    return f"{shape}:{found.reference[2:]}" if shape else found.reference[2:]
