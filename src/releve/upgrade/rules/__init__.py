"""Everything the tool knows, one module a subject."""

from __future__ import annotations

from releve.upgrade.context import Detector
from releve.upgrade.model import Rule
from releve.upgrade.rules import (
    append,
    assistant,
    audio,
    bot,
    chat,
    content,
    events,
    job,
    names,
    options,
    parts,
    plugins,
    realtime,
    request,
    room,
    server,
    session_options,
    speech,
    tools,
    turns,
)

_MODULES = (
    request,  # before options: it gives them their names
    options,
    job,
    bot,
    room,
    audio,
    assistant,
    turns,
    realtime,
    events,
    speech,
    chat,
    content,
    append,
    tools,
    plugins,
    parts,
    server,
    names,
)
DETECTORS: tuple[Detector, ...] = tuple(module.find for module in _MODULES)
RULES: tuple[Rule, ...] = tuple(
    rule for module in (*_MODULES, session_options) for rule in module.RULES
)
