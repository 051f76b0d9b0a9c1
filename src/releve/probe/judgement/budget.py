"""What a migration's calls cost an agent's owner, said before it begins. Pure.

Each room is a dispatch, and where the agent greets, a greeting; each turn is a sentence that is
heard, thought about and answered. Both are estimates: steps that wait for the host take as long as
they take, so held calls stop speaking, and rooms stop opening, where the budget ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

STEPS_SECONDS = 180.0  # of a run beside its waits: backup, gateway, adoption, green's start, probes
MOST_HELD = 3
BURSTS, BURST_ROOMS = 3, 3  # adoption, canary, flip; rooms around each
FLOOR_ROOMS = 2  # before and after the chirps
FIRST_TURNS, FIRST_SECONDS = 3, 10.0  # with which the rest of a run is compared


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is asked to do. Kinds: echo, talks or listens, of the agent in service and green.

    held: calls, None as many as the host carries. before, canary, bake: seconds. every: between new
    rooms, turn_seconds: between sentences of one call.
    """

    kind: str
    green: str
    held: int | None
    before: float
    canary: float
    bake: float
    every: float
    turn_seconds: float
    probe_calls: int
    conversation_calls: int
    compare_calls: int
    compare_turns: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Rooms and turns of a run, `held_turns` of them of held calls, `probe_rooms` of probes."""

    seconds: float
    rooms: int
    probe_rooms: int
    turns: int
    held_turns: int

    def said(self) -> str:
        minutes = self.seconds / 60
        return (
            f"this run opens about {self.rooms} rooms ({self.rooms / minutes:.1f} a minute) and "
            f"says about {self.turns} sentences to the agent ({self.turns / minutes:.1f} a "
            f"minute), in some {minutes:.0f} minutes"
        )


def cost(asked: Asked) -> Cost:
    """The estimate; a gate that has to look again adds its calls once more."""
    seconds = asked.before + STEPS_SECONDS + asked.canary + asked.bake
    held = MOST_HELD if asked.held is None else asked.held
    pulses = math.ceil((seconds - asked.before) / asked.every)
    compares = asked.kind == asked.green and asked.kind != "listens"
    talks = asked.green == "talks"
    probes = (
        asked.conversation_calls
        if talks
        else 1
        if asked.green == "listens"
        else (asked.probe_calls + FLOOR_ROOMS)
    )
    kinds = 2  # a call each, where the inventory does not say what an agent is
    probe_rooms = kinds + probes + (2 * asked.compare_calls if compares else 0)
    rooms = held + pulses + BURSTS * BURST_ROOMS + probe_rooms
    held_turns = 0
    if asked.kind == "talks":
        later = max(0.0, seconds - FIRST_TURNS * FIRST_SECONDS) / asked.turn_seconds
        held_turns = held * (FIRST_TURNS + math.ceil(later))
    turns = held_turns + (asked.conversation_calls if talks else 0)
    if talks and compares:
        turns += 2 * asked.compare_calls * asked.compare_turns
    return Cost(seconds, rooms, probe_rooms, turns, held_turns)


def over(found: Cost, turns: int | None, rooms: int | None, turn_seconds: float) -> str | None:
    """What is beyond the budget, and what to change; None where nothing is."""
    said = []
    if turns is not None and found.turns > turns:
        said.append(
            f"{found.turns} sentences, `probe_budget.turns` allows {turns}: raise it, or "
            f"`sentinels_turn_seconds` (now {turn_seconds:g}), or set `sentinels_calls: 1`"
        )
    if rooms is not None and found.rooms > rooms:
        said.append(
            f"{found.rooms} rooms, `probe_budget.rooms` allows {rooms}: raise it, or "
            "`sentinels_every`, or watch for less time (`rollout_schedule`)"
        )
    return "; ".join(said) or None
