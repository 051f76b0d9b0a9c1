"""What an operator asks, and how far each room is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from releve.gateway.dispatch.job import Dispatch
from releve.gateway.policy import Colour

State = Literal[
    "waiting", "asking", "arriving", "leaving", "new", "old", "gone", "redispatched", "skipped"
]
ENDS: tuple[State, ...] = ("new", "old", "gone", "redispatched", "skipped")
"""Which agent the room has at the end; `gone`: no caller is in it; `redispatched`: it had none."""


Context = dict[str, Any]
"""What an agent tells of a call: a JSON object whose content is its own."""


class Wanted(BaseModel):
    """The body of POST /handover; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Annotated[str, Field(min_length=1, max_length=120)]
    room: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    colour: Colour | None = None
    every: float = Field(default=2.0, ge=0.0, le=3600.0)
    at_once: int = Field(default=1, ge=1, le=50)
    context_seconds: float = Field(default=3.0, ge=0.0, le=30.0)
    without_context: bool = False

    @field_validator("by")
    @classmethod
    def _printable(cls, by: str) -> str:
        if not by.isprintable():
            raise ValueError("use printable characters")
        return by

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.room is None) == (self.colour is None):
            raise ValueError("give either room, or colour: the one whose calls are to leave it")
        return self

    @model_validator(mode="after")
    def _asked_or_not_needed(self) -> Self:
        if self.context_seconds == 0 and not self.without_context:
            raise ValueError("context_seconds 0 asks no agent: send without_context true as well")
        return self


def parse(raw: object) -> Wanted:
    """From untrusted JSON; raises ValueError with one sentence per mistake."""
    try:
        return Wanted.model_validate(raw)
    except ValidationError as error:
        mistakes = (
            f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()
        )
        raise ValueError("; ".join(mistakes)) from None


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is to be moved: its old agent, and the dispatch that its opener made."""

    dispatch: Dispatch
    identity: str
    job: str | None
    to: Colour

    @property
    def agent(self) -> str:
        """The agent's name in the gateway's settings."""
        return self.dispatch.key.agent

    @property
    def room(self) -> str:
        """The room's name."""
        return self.dispatch.room


@dataclass(slots=True)
class Progress:
    """How far a room is. `context`: whether the new agent got one; None where nobody was asked."""

    call: Call
    state: State = "waiting"
    why: str = ""
    new: str = ""
    context: bool | None = None
    overlap_ms: float | None = None

    def end(self, state: State, why: str = "") -> None:
        """It is over."""
        self.state, self.why = state, why

    def describe(self) -> dict[str, object]:
        """One line of GET /handover."""
        return {
            "room": self.call.room,
            "to": self.call.to,
            "state": self.state,
            "why": self.why,
            "old": self.call.identity,
            "new": self.new,
            "context": self.context,
            "overlap_ms": self.overlap_ms,
        }


@dataclass(slots=True)
class UnderWay:
    """A room under way: `made` is the dispatch of the new agent, once its id is known; `deleted`
    when it is taken back."""

    progress: Progress
    made: str = ""
    deleted: bool = False

    @property
    def call(self) -> Call:
        """The call that is moved."""
        return self.progress.call
