"""Types of LiveKit's names: what one release of it makes, has, returns and emits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Protocol

from releve.upgrade.syntax.names import canonical
from releve.upgrade.syntax.types import ATTRIBUTES, CLASSES, EVENTS, RETURNS, element

PLUGIN = re.compile(r"\.(LLM|STT|TTS|VAD)(\.load|\.with_\w+)?$")  # a plugin's part, how it is made

Events = Mapping[str, tuple[str | None, ...]]


class Library(Protocol):
    """One release. Names are full (`livekit.…`); None where a type is not known."""

    def made(self, full: str) -> str | None:
        """What a call of a name gives."""

    def annotated(self, full: str) -> str | None:
        """What a name means as an annotation or as a base class."""

    def value(self, full: str) -> str | None:
        """The type of a value that is imported."""

    def attribute(self, kind: str, name: str) -> str | None: ...

    def returned(self, kind: str, method: str) -> str | None: ...

    def element(self, kind: str | None) -> str | None:
        """What a loop over it gives."""

    def events(self, kind: str) -> Events | None:
        """What an emitter emits, with the types of what its listeners are given."""

    def given(self, function: str, place: int, parameter: str) -> str | None:
        """What other modules give to a parameter of a function at the top of this one."""


class Others(Protocol):
    """What other modules of the project hold."""

    values: dict[str, str | None]
    made: dict[str, str | None]

    def parameter(self, path: PurePath, function: str, place: int, name: str) -> str | None: ...


class V0:
    """0.7 to 0.12, and what is left of them after half a migration; types by canonical names."""

    def __init__(self, others: Others | None = None, path: PurePath | None = None) -> None:
        self._others = others
        self._path = path or PurePath()

    def made(self, full: str) -> str | None:
        if not full.startswith("livekit."):
            return self._others.made.get(full.lstrip(".")) if self._others else None
        return self._named(full)

    def _named(self, full: str) -> str | None:
        name = canonical(full) or ""
        if name in CLASSES:
            return name
        if name.startswith("plugins.") and (made := PLUGIN.search(name)):
            return f"{made[1].lower()}.{made[1]}"
        return None

    def annotated(self, full: str) -> str | None:
        return self.made(full)

    def value(self, full: str) -> str | None:
        if self._others is None or full.startswith("livekit."):
            return None
        return self._others.values.get(full.lstrip("."))

    def attribute(self, kind: str, name: str) -> str | None:
        return ATTRIBUTES.get((kind, name))

    def returned(self, kind: str, method: str) -> str | None:
        return RETURNS.get((kind, method))

    def element(self, kind: str | None) -> str | None:
        return element(kind)

    def events(self, kind: str) -> Events | None:
        return EVENTS.get(kind)

    def given(self, function: str, place: int, parameter: str) -> str | None:
        if self._others is None:
            return None
        return self._others.parameter(self._path, function, place, parameter)
