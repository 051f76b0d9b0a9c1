"""What the hold suite asks of a held caller, whatever its agent does."""

from __future__ import annotations

from typing import Protocol

from releve.probe.caller.call import Call

News = list[tuple[str, dict[str, object]]]  # events of the record, with their fields


class Course(Protocol):
    """One sentinel's state across its calls, so that a rejoin counts as silence."""

    @property
    def established(self) -> bool:
        """Whether the agent has answered in some call, as its kind does."""
        ...

    def prepare(self, call: Call) -> None:
        """A call is about to be opened."""
        ...

    def came(self, call: Call) -> bool:
        """Whether the agent is there, as far as its kind can be."""
        ...

    def begin_call(self, call: Call) -> None:
        """An agent has come."""
        ...

    def over(self, call: Call) -> str | None:
        """Why the caller hangs up or was dropped, or None while the call stands."""
        ...

    async def tick(self, call: Call) -> News:
        """Say what is due, and tell what was heard since the last tick."""
        ...

    async def last(self, call: Call) -> News:
        """What was heard since the last tick, without saying anything: the call closes."""
        ...

    async def close_call(self) -> None:
        """The call has ended, however."""
        ...

    def end(self) -> News:
        """What goes on when the suite ends, as a silence."""
        ...
