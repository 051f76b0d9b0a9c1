"""The plan of one rollout: a YAML or JSON file, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    ValidationError,
    field_validator,
    model_validator,
)

from releve.probe.judgement import gates
from releve.probe.judgement.gates import Gate

DAY = 86400.0

Colour = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Command = Annotated[list[str], Field(min_length=1)]


@lru_cache  # gates.yaml is parsed at each reading, and they are asked for every few seconds
def _gates(suite: str, limits: tuple[str, ...]) -> tuple[Gate, ...]:
    return tuple(gates.of(suite, limits))


class PlanError(ValueError):
    """The plan cannot be used; the message has a sentence for each mistake."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(Part):
    """`weight` percent of the new rooms go to the new colour, and are watched for `seconds`.

    approve: an operator has to approve the step before it begins. compare: the comparison probe
    has to pass before the step is over.
    """

    weight: int = Field(ge=1, le=100)
    seconds: float = Field(gt=0, le=7 * DAY)
    approve: bool = False
    compare: bool = False


class Comparison(Part):
    """Commands that exit 0 (pass), 1 (fail) or 3 (inconclusive).

    Only the first look is certain. A failure is looked at once more, no answer as often as there
    are commands.
    """

    looks: list[Command] = Field(min_length=1)
    seconds: float = Field(default=300.0, gt=0, le=DAY, description="for one look, at most")


class Inconclusive(Part):
    """How long weights are held while a gate has no answer, and what is done then."""

    seconds: float = Field(default=600.0, ge=0, le=7 * DAY)
    then: Literal["go_back", "wait"] = "go_back"


class Limits(Part):
    """Limits other than those of gates.yaml, by the gate's name."""

    calls: dict[str, float] = {}
    harm: dict[str, float] = {}
    rollout: dict[str, float] = {}

    @model_validator(mode="after")
    def _known(self) -> Self:
        for suite in ("calls", "harm", "rollout"):
            self.gates(suite)
        return self

    def gates(self, suite: Literal["calls", "harm", "rollout"]) -> list[Gate]:
        """The gates of a suite with these limits. Raises GateError, a ValueError."""
        own: dict[str, float] = getattr(self, suite)
        return list(_gates(suite, tuple(f"{key}={number}" for key, number in own.items())))

    def gate(self, key: str) -> Gate:
        """One of the rollout's own gates."""
        return next(gate for gate in self.gates("rollout") if gate.key == key)


class Plan(Part):
    """What the controller is to do; seconds, percent of new rooms."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")
    stack: str = Field(min_length=1, max_length=80)
    agent: str = Field(default="default", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    from_: Colour = Field(alias="from")
    to: Colour
    schedule: list[Step] = Field(min_length=1, max_length=100)
    socket: Path = Field(description="the gateway's admin socket")
    record: Path = Field(description="the sentinels' record")
    moments: Path | None = Field(
        default=None, description="gets an id before weights are moved: new rooms open around it"
    )
    since: float | None = Field(
        default=None, description="monotonic seconds from which the record counts; else the start"
    )
    comparison: Comparison | None = None
    limits: Limits = Limits()
    inconclusive: Inconclusive = Inconclusive()
    lease_seconds: float = Field(default=30.0, ge=5, le=3600)
    notify_urls: list[HttpUrl] = Field(default=[], max_length=10, repr=False)

    @field_validator("schedule")
    @classmethod
    def _upward_to_all(cls, schedule: list[Step]) -> list[Step]:
        weights = [step.weight for step in schedule]
        if weights[-1] != 100:
            raise ValueError(f"the last step's weight is {weights[-1]}; end with 100, the bake")
        if any(later <= earlier for earlier, later in pairwise(weights)):
            raise ValueError(f"weights must rise from step to step; these are {weights}")
        return schedule

    @model_validator(mode="after")
    def _two_colours(self) -> Self:
        if self.from_ == self.to:
            raise ValueError(f"`from` and `to` are both {self.to}; name two colours")
        return self

    @model_validator(mode="after")
    def _something_to_compare_with(self) -> Self:
        comparing = any(step.compare for step in self.schedule)
        if comparing and self.comparison is None:
            raise ValueError("a step has `compare: true`; give `comparison` with its commands")
        if self.comparison is not None and not comparing:
            raise ValueError("there is a `comparison`, but no step has `compare: true`")
        return self

    @property
    def by(self) -> str:
        """Under which name decisions are made at the gateway."""
        return f"rollout {self.id}"

    def weights(self, weight: int) -> dict[str, int]:
        """Both colours' weights where `to` has that one."""
        return {self.from_: 100 - weight, self.to: weight}

    def kept(self) -> dict[str, Any]:
        """The plan as the journal keeps it: without the URLs, which are secrets."""
        return self.model_dump(mode="json", by_alias=True, exclude={"notify_urls"})


def load(path: Path) -> Plan:
    """Read and check a plan. Raises PlanError."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        mode = path.stat().st_mode
    except OSError as error:
        raise PlanError(f"plan {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError(f"plan {path}: not YAML: {error}") from error
    plan = parse(raw, lambda mistake: f"plan {path}: {mistake}")
    if plan.notify_urls and mode & 0o077:
        raise PlanError(
            f"plan {path}: others can read its notify_urls, which are secret; chmod 600"
        )
    return plan


def parse(raw: object, said: Callable[[str], str] = str) -> Plan:
    """A plan from what YAML held; `said` makes a sentence of a mistake. Raises PlanError."""
    if not isinstance(raw, dict):
        raise PlanError(said("it holds no settings; write `id: …`, `from: …`, `to: …` and so on"))
    try:
        return Plan.model_validate(raw)
    except ValidationError as error:
        mistakes = [
            f"{'.'.join(map(str, item['loc']))}: " * bool(item["loc"])
            + item["msg"].removeprefix("Value error, ")
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise PlanError("\n".join(said(mistake) for mistake in mistakes)) from None
