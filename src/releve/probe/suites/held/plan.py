"""What the hold suite is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from releve.probe.host.capacity import CALLS_SHARE
from releve.probe.suites.held.kinds import Manner


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls to hold, seconds between arrivals and how long each lives, when to end.

    calls: None holds as many as the host carries, one to three. every: without it there are no
    arrivals. before_seconds: how long the calls are alone before the first. moments: a file; each
    new id in it opens rooms in a burst. manner: of calls to an agent of this kind. turns, rooms:
    no more sentences and arrivals than these, share: of the host's processors for held calls.
    """

    calls: int | None
    every: float | None
    arrival_seconds: float
    max_seconds: float
    before_seconds: float = 0.0
    moments: Path | None = None
    manner: Manner = field(default_factory=Manner)
    turns: int | None = None
    rooms: int | None = None
    share: float = CALLS_SHARE
