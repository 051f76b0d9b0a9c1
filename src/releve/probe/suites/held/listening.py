"""A held call to an agent that only listens: it is there, and subscribed to the caller's track."""

from __future__ import annotations

from releve.probe.caller import health
from releve.probe.caller.call import Call
from releve.probe.suites.held.course import News


class Listening:
    """Says nothing: what an agent does with what it hears cannot be heard, and costs its owner."""

    def __init__(self) -> None:
        self._came = False

    @property
    def established(self) -> bool:
        return self._came

    def prepare(self, call: Call) -> None:
        pass

    def came(self, call: Call) -> bool:
        return bool(call.present) and call.subscribed

    def begin_call(self, call: Call) -> None:
        self._came = True

    def over(self, call: Call) -> str | None:
        return health.left(call)

    async def tick(self, call: Call) -> News:
        return []

    async def last(self, call: Call) -> News:
        return []

    async def close_call(self) -> None:
        pass

    def end(self) -> News:
        return []
