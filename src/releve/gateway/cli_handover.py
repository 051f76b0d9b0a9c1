"""`releve gateway handover`: live calls are moved to the other colour."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from releve.gateway.operator.client import Client, Refused

LOOK_SECONDS = 0.5
GONE_SECONDS = 10.0
"""How long a gateway may be away: one that is replaced is not."""
UNDER_WAY = ("running", "cancelling")

Room = Annotated[str | None, typer.Option("--room", help="One room.")]
Colour = Annotated[
    str | None, typer.Option("--colour", help="All rooms of blue, or of green: they leave it.")
]
Every = Annotated[float, typer.Option(help="Seconds from one room to the next.")]
AtOnce = Annotated[int, typer.Option(help="Rooms under way at once.")]
ContextSeconds = Annotated[
    float, typer.Option(help="How long an agent may take to tell its context; 0: it is not asked.")
]
WithoutContext = Annotated[
    bool, typer.Option("--without-context", help="Also calls whose agent tells no context.")
]
Cancel = Annotated[bool, typer.Option("--cancel", help="Begin no further room.")]


async def hand_over(client: Client, agent: str, body: dict[str, Any]) -> dict[str, Any]:
    """Begin, say each room when it is over, and return the whole at the end. Raises Refused."""
    begun = await client.ask("POST", f"/handover?{urlencode({'agent': agent})}", body)
    number, said = begun["number"], set[int]()
    while True:
        now = await _now(client)
        if now.get("number") != number or now.get("by") != body["by"]:
            raise Refused(
                "the gateway was replaced, and the handover ended with it. The rooms under way get "
                "their old agent or the new one; begin again for the others"
            )
        for place, room in enumerate(now["rooms"]):
            if place not in said and room["state"] in ("new", "old", "gone", "redispatched"):
                said.add(place)
                typer.echo(line(room))
        if now["phase"] not in UNDER_WAY:
            return now
        await asyncio.sleep(LOOK_SECONDS)


async def _now(client: Client) -> dict[str, Any]:
    """The state; asked again while a gateway relieves another."""
    until = asyncio.get_running_loop().time() + GONE_SECONDS
    while True:
        try:
            now: dict[str, Any] = await client.ask("GET", "/handover")
            return now
        except Refused:
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(LOOK_SECONDS)


def line(room: dict[str, Any]) -> str:
    """One room in one line."""
    if room["state"] == "new":
        context = {None: "", True: ", with its context", False: ", without context"}
        return (
            f"{room['room']}: moved to {room['to']}, both agents for {room['overlap_ms']:g} ms"
            f"{context[room['context']]}"
        )
    what = {"old": "keeps its agent", "gone": "over", "redispatched": "dispatched again"}
    return f"{room['room']}: {what.get(room['state'], room['state'])}: {room['why']}"


def summary(told: dict[str, Any]) -> str:
    """The whole in one line."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(told["counts"].items()))
    why = f": {told['why']}" if told.get("why") else ""
    return f"handover {told['phase']}{why} ({counts or 'no rooms'})"


def is_whole(told: dict[str, Any]) -> bool:
    """Whether every call that still is one has its new agent."""
    return bool(told["phase"] == "done" and set(told["counts"]) <= {"new", "gone"})
