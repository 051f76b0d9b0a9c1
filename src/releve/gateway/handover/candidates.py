"""Which rooms are handed over, lowest risk first."""

from __future__ import annotations

import asyncio

from livekit.protocol import models

from releve.gateway.dispatch.dispatcher import Dispatcher
from releve.gateway.dispatch.job import Dispatch
from releve.gateway.handover.model import Call, Progress, Wanted
from releve.gateway.policy import COLOURS, Colour
from releve.gateway.registration_key import Key
from releve.gateway.server.participants import Agent, agents_of, is_caller
from releve.gateway.server.room_service import RoomService

PAST_THE_GATEWAY: Colour = "blue"
"""Whoever came past the gateway was there before it."""
PINNED = "it was asked for by a colour's dark name; name the room to move it all the same"


async def candidates(
    dispatcher: Dispatcher, room_service: RoomService, agent: str, wanted: Wanted
) -> list[Progress]:
    """The rooms of the colour, or the one that is named, in the order in which they are moved.

    First those in which no caller has an open microphone: nobody is interrupted there. The
    server's API does not tell who speaks. Raises ServerError.
    """
    names = [wanted.room] if wanted.room is not None else await _rooms(room_service)
    found = await asyncio.gather(
        *(_of_room(dispatcher, room_service, agent, name, wanted) for name in names)
    )
    rooms = [it for it in found if it is not None]
    return [progress for _open, progress in sorted(rooms, key=lambda it: it[0])]


async def _rooms(room_service: RoomService) -> list[str]:
    return [room.name for room in await room_service.rooms()]


async def _of_room(
    dispatcher: Dispatcher, room_service: RoomService, agent: str, room: str, wanted: Wanted
) -> tuple[bool, Progress] | None:
    people = await room_service.participants(room)
    there = [it for it in agents_of(room, people) if _is_of(it, agent)]
    moving = [it for it in there if wanted.colour in (None, _colour(it))]
    if not moving:
        return None
    one = moving[0]
    dispatch = await own_dispatch(dispatcher, room_service, agent, room, one.job)
    call = Call(dispatch, one.identity, one.job, other(_colour(one)))
    progress = Progress(call)
    if len(there) > 1:
        progress.end("skipped", f"it has {len(there)} agents")
    elif dispatch.key.only is not None and wanted.room is None:
        progress.end("skipped", PINNED)
    return any(is_caller(who) and _has_open_microphone(who) for who in people), progress


def _is_of(one: Agent, agent: str) -> bool:
    return one.for_room and one.agent in (None, agent)


def _colour(agent: Agent) -> Colour:
    return agent.colour or PAST_THE_GATEWAY


def other(colour: Colour) -> Colour:
    """The other of both."""
    return next(it for it in COLOURS if it != colour)


def _has_open_microphone(who: models.ParticipantInfo) -> bool:
    return any(it.type == models.TrackType.AUDIO and not it.muted for it in who.tracks)


async def own_dispatch(
    dispatcher: Dispatcher, room_service: RoomService, agent: str, room: str, job_id: str | None
) -> Dispatch:
    """The room's own: from the job, or from the server's list for an agent that came past us."""
    job = dispatcher.registry.jobs.get(job_id or "")
    if job is not None:
        return job.dispatch
    key = public_key(dispatcher, agent)
    for item in await room_service.dispatches(room):
        if item.agent_name == key.agent_name:
            worn = dict(item.attributes)
            return Dispatch(key, room, "", item.id, item.metadata, item.deployment, worn)
    return Dispatch(key, room)


def public_key(dispatcher: Dispatcher, agent: str) -> Key:
    """The key by which rooms ask for the agent."""
    own = dispatcher.config.agents[agent]
    return Key(agent, own.agent_name, own.namespace)


def dark_key(dispatcher: Dispatcher, agent: str, colour: Colour) -> Key:
    """The key by which only that colour is asked."""
    name = dispatcher.config.dark_name(agent, colour)
    return Key(agent, name, dispatcher.config.agents[agent].namespace, colour)
