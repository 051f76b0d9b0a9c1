"""Who gets the room: pure functions, state in and decision out, no I/O and no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Colour = Literal["blue", "green"]
COLOURS: tuple[Colour, ...] = get_args(Colour)


@dataclass(frozen=True, slots=True)
class Weights:
    """Percentages of new rooms per colour; always whole numbers that add up to 100."""

    blue: int = 100
    green: int = 0

    def __post_init__(self) -> None:
        for colour in COLOURS:
            value = self[colour]
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
                raise ValueError(f"weight of {colour} is {value!r}; give a whole number 0 to 100")
        if self.blue + self.green != 100:
            raise ValueError(f"weights add up to {self.blue + self.green}; they must make 100")

    def __getitem__(self, colour: Colour) -> int:
        return self.blue if colour == "blue" else self.green

    def as_dict(self) -> dict[Colour, int]:
        """The wire form, `{"blue": 0, "green": 100}`."""
        return {colour: self[colour] for colour in COLOURS}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One connected worker as the policy sees it; `load` is 0 to 1 as the worker reports it."""

    worker: str
    colour: Colour
    load: float = 0.0
    jobs: int = 0
    full: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has decided: weights, cordons, and who may step in at weight 0."""

    weights: Weights = Weights()
    cordoned: frozenset[Colour] = frozenset()
    fallback: frozenset[Colour] = frozenset({"blue"})


def bucket(room: str) -> int:
    """0 to 99, the same for the same room name in every process and version."""
    return int.from_bytes(hashlib.sha256(room.encode()).digest()[:8], "big") % 100


def colour_of(room: str, weights: Weights) -> Colour:
    """The colour a new room belongs to; raising a weight never moves a room away from it."""
    return "green" if bucket(room) < weights.green else "blue"


def colours_for(room: str, rules: Rules) -> tuple[Colour, ...]:
    """Colours that may serve the room, first choice first.

    A dark colour (weight 0) never takes public calls by accident: it stands in only when the
    operator lists it as fallback. A cordoned colour takes nothing.
    """
    first = colour_of(room, rules.weights)
    others = tuple(
        colour
        for colour in COLOURS
        if colour != first and (rules.weights[colour] > 0 or colour in rules.fallback)
    )
    return tuple(colour for colour in (first, *others) if colour not in rules.cordoned)


def choose(
    colours: Iterable[Colour], candidates: Collection[Candidate], tried: Collection[str]
) -> str | None:
    """The next worker to ask, or None when nobody eligible is left.

    Colours in their order; inside a colour the least loaded, then the one with fewest jobs.
    """
    for colour in colours:
        eligible = [
            candidate
            for candidate in candidates
            if candidate.colour == colour and not candidate.full and candidate.worker not in tried
        ]
        if eligible:
            best = min(eligible, key=lambda item: (item.load, item.jobs, item.worker))
            return best.worker
    return None


def capacity(colours: Collection[Colour], candidates: Iterable[Candidate]) -> float | None:
    """Mean load (0 to 1) of the workers that may be asked; None when there is none."""
    loads = [item.load for item in candidates if item.colour in colours and not item.full]
    return sum(loads) / len(loads) if loads else None


def public_colours(rules: Rules) -> tuple[Colour, ...]:
    """Colours that may serve any public room at all under these rules."""
    return tuple(
        colour
        for colour in COLOURS
        if colour not in rules.cordoned and (rules.weights[colour] > 0 or colour in rules.fallback)
    )


def parse_weights(raw: Mapping[str, object]) -> Weights:
    """Weights from untrusted JSON; raises ValueError with a sentence that says what to change."""
    if not isinstance(raw, Mapping) or set(raw) != set(COLOURS):
        raise ValueError('give both colours, like {"blue": 0, "green": 100}')
    return Weights(**raw)  # type: ignore[arg-type]  # __post_init__ checks the values
