"""Who gets the room: pure functions, state in and decision out, no I/O and no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

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


FRESH_JOB_LOAD = 0.05
"""What a job adds to a worker's load until the worker reports again; a guess that only spreads
bursts, because both SDKs report every 0.5 to 2.5 s."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One connected worker as the policy sees it; `load` is 0 to 1 as the worker reports it.

    `fresh` counts what it was asked or given since that report; `silent` is a worker that left
    its last question unanswered.
    """

    worker: str
    colour: Colour
    load: float = 0.0
    jobs: int = 0
    fresh: int = 0
    full: bool = False
    cordoned: bool = False
    silent: bool = False


HIGHEST_LOAD = 0.05
"""Told to the server at most while somebody may be asked; lower loads in proportion, so that of two
gateways the less loaded one is still known. LiveKit Server offers nothing to a worker at its target
(0.65 up to v1.8, 1.0 up to v1.10, then `agents.target_load`, 0.7 unless set; method:
pkg/service/agentservice.go): the room would stay silent, although nobody has refused it."""
LEAVING_LOAD = 0.64
"""Told by a gateway that is about to end: others are asked first, and it before nobody."""


class Rank(NamedTuple):
    """A worker's place in its colour's order: the smallest is asked first."""

    silent: bool
    load: float
    jobs: int
    worker: str


Ranked = Mapping[Colour, Sequence[Rank]]
"""Per colour the workers that may be asked, in order."""


def rank(candidate: Candidate) -> Rank | None:
    """The place of a worker, or None when it may not be asked.

    Those that answer before those that stayed silent, then the least loaded, then the one with
    fewest jobs.
    """
    if candidate.full or candidate.cordoned:
        return None
    load = candidate.load + FRESH_JOB_LOAD * candidate.fresh
    return Rank(candidate.silent, load, candidate.jobs, candidate.worker)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has decided about one agent: weights, cordons, who may step in at weight
    0, and rooms and callers that are `listed` by name for a colour, whatever the weights."""

    weights: Weights = Weights()
    cordoned: frozenset[Colour] = frozenset()
    fallback: frozenset[Colour] = frozenset({"blue"})
    listed: Mapping[str, Colour] = field(default_factory=dict)


@lru_cache(maxsize=4096)  # an offer asks several times
def bucket(room: str) -> int:
    """0 to 99, the same for the same room name in every process and version."""
    return int.from_bytes(hashlib.sha256(room.encode()).digest()[:8], "big") % 100


def colour_of(room: str, weights: Weights) -> Colour:
    """The colour a new room belongs to; raising a weight never moves a room away from it."""
    return "green" if bucket(room) < weights.green else "blue"


def first_colour(room: str, rules: Rules, caller: str = "") -> Colour:
    """The colour that a new room belongs to: by a list, else by its place. A caller that is known
    has a place of its own, and keeps its colour from room to room."""
    for name in (room, caller):
        if name in rules.listed:
            return rules.listed[name]
    return colour_of(caller or room, rules.weights)


def belongs_by(room: str, rules: Rules, caller: str = "") -> Literal["list", "caller", "room"]:
    """What makes the room belong to its first colour: a list, its caller's place, or its own."""
    if room in rules.listed or caller in rules.listed:
        return "list"
    return "caller" if caller else "room"


def colours_for(room: str, rules: Rules, caller: str = "") -> tuple[Colour, ...]:
    """Colours that may serve the room, first choice first.

    A dark colour (weight 0) never takes public calls by accident: it stands in only when the
    operator lists it as fallback. A cordoned colour takes nothing.
    """
    first = first_colour(room, rules, caller)
    others = tuple(
        colour
        for colour in COLOURS
        if colour != first and (rules.weights[colour] > 0 or colour in rules.fallback)
    )
    return tuple(colour for colour in (first, *others) if colour not in rules.cordoned)


def choose(colours: Iterable[Colour], ranked: Ranked, tried: Collection[str]) -> str | None:
    """The next worker to ask, or None when nobody eligible is left.

    Colours in their order, inside a colour by rank; a worker that left its last question
    unanswered waits until both colours have been through.
    """
    last_resort: str | None = None
    for colour in colours:
        for place in ranked[colour]:
            if place.worker in tried:
                continue
            if not place.silent:
                return place.worker
            last_resort = last_resort or place.worker
            break
    return last_resort


def left_to_ask(colours: Iterable[Colour], ranked: Ranked, tried: Collection[str]) -> int:
    """How many may still be asked, at most; cheap, and exact while nobody comes or goes."""
    return max(0, sum(len(ranked[colour]) for colour in colours) - len(tried))


def capacity(colours: Collection[Colour], ranked: Ranked) -> float | None:
    """The load to tell for what the next room would meet; None when nobody may be asked.

    The least loaded worker's, because it is the one that will be asked. A mean would tell the
    server that the gateway is busy while a worker behind it is idle.
    """
    first = [ranked[colour][0].load for colour in colours if ranked[colour]]
    return HIGHEST_LOAD * min(1.0, *first) if first else None


def public_colours(rules: Rules) -> tuple[Colour, ...]:
    """Colours that may serve any public room at all under these rules."""
    return tuple(
        colour
        for colour in COLOURS
        if colour not in rules.cordoned
        and (rules.weights[colour] or colour in rules.fallback or colour in rules.listed.values())
    )


def dark_colours(colour: Colour, rules: Rules) -> tuple[Colour, ...]:
    """Colours that may serve a room asked for by the dark name of `colour`: that one or none."""
    return () if colour in rules.cordoned else (colour,)


def parse_weights(raw: Mapping[str, object]) -> Weights:
    """Weights from untrusted JSON; raises ValueError with a sentence that says what to change."""
    if not isinstance(raw, Mapping) or set(raw) != set(COLOURS):
        raise ValueError('give both colours, like {"blue": 0, "green": 100}')
    return Weights(**raw)  # type: ignore[arg-type]  # __post_init__ checks the values
