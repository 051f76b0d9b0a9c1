"""What happened to each room name lately: offers, jobs and redispatches, for `GET /why`."""

from __future__ import annotations

import itertools
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass

from releve.gateway import policy
from releve.gateway.dispatch.job import Dispatch, Job
from releve.gateway.dispatch.offer import OfferRound
from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import Rules

ROOMS_KEPT, ENTRIES_KEPT = 1000, 20
"""The room that was heard of longest ago is forgotten first, and of a room its oldest entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; `at` is monotonic."""

    kind: str
    at: float
    facts: dict[str, object]

    def describe(self) -> dict[str, object]:
        """The form of GET /why."""
        ago = round(time.monotonic() - self.at, 1)
        return {"event": self.kind, "seconds_ago": ago, **self.facts}


class RoomHistory:
    """The last entries of the last rooms; bounded, whatever the rooms are called."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, deque[Entry]] = OrderedDict()

    def note(self, room: str, kind: str, **facts: object) -> None:
        """Keep an entry; facts must be JSON."""
        entries = self._rooms.setdefault(room, deque(maxlen=ENTRIES_KEPT))
        entries.append(Entry(kind, time.monotonic(), facts))
        self._rooms.move_to_end(room)
        if len(self._rooms) > ROOMS_KEPT:
            self._rooms.popitem(last=False)

    def offer(
        self,
        dispatch: Dispatch,
        rules: Rules,
        caller: str,
        asking: OfferRound,
        told: Mapping[str, object],
        worker: Worker | None,
    ) -> None:
        """How an offer went, by which rules, and who was asked before somebody took it."""
        self.note(
            dispatch.room,
            "offer",
            **{name: value for name, value in told.items() if name != "room"},
            first=policy.first_colour(dispatch.room, rules, caller),
            by=policy.belongs_by(dispatch.room, rules, caller),
            place=policy.bucket(caller or dispatch.room),
            key=str(dispatch.key),
            only=dispatch.key.only,
            dispatch=dispatch.id,
            worker=None if worker is None else worker.id,
            load=None if worker is None else round(worker.load, 3),
            weights=rules.weights.as_dict(),
            cordoned=sorted(rules.cordoned),
            asked=asking.asked,
            answers=asking.answers,
        )

    def over(self, job: Job) -> None:
        """A job that has ended."""
        self.note(
            job.room,
            "job",
            agent=job.key.agent,
            job=job.id,
            colour=job.worker.colour,
            worker=job.worker.id,
            state=job.state,
            said=job.said,
        )

    def latest(self, count: int) -> list[dict[str, object]]:
        """The rooms that were heard of last, the last one first, each with what happened last."""
        rooms = itertools.islice(reversed(self._rooms.items()), count)
        return [{"room": room, **entries[-1].describe()} for room, entries in rooms]

    def of(self, room: str) -> list[Entry]:
        """The entries of rooms of that name, oldest first."""
        return list(self._rooms.get(room, ()))
