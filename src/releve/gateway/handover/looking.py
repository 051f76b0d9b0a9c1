"""Who is in a room, as a handover sees it."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.protocol import models

from releve.gateway.handover.model import Call
from releve.gateway.server.participants import Agent, agents_of, is_caller
from releve.gateway.server.room_service import RoomService


@dataclass(frozen=True, slots=True)
class Seen:
    """An agent's participant."""

    agent: Agent
    who: models.ParticipantInfo

    @property
    def has_audio(self) -> bool:
        """Whether it publishes audio, muted or not."""
        return any(track.type == models.TrackType.AUDIO for track in self.who.tracks)

    @property
    def is_heard(self) -> bool:
        """Whether it publishes audio that is not muted."""
        audio = models.TrackType.AUDIO
        return any(track.type == audio and not track.muted for track in self.who.tracks)


@dataclass(frozen=True, slots=True)
class Look:
    """What the server lists of a room: a caller, the old agent, those of the new colour, others."""

    caller: bool
    old: Seen | None
    new: list[Seen]
    others: list[Seen]

    @property
    def agents(self) -> int:
        """How many agents of this name are there for the room."""
        return (self.old is not None) + len(self.new) + len(self.others)


async def look(room_service: RoomService, call: Call) -> Look:
    """Ask the server. Raises ServerError."""
    people = await room_service.participants(call.room)
    caller = any(map(is_caller, people))
    old: Seen | None = None
    new: list[Seen] = []
    others: list[Seen] = []
    for who in people:
        for agent in agents_of(call.room, [who]):
            if not agent.for_room or agent.agent not in (None, call.agent):
                continue
            seen = Seen(agent, who)
            if is_old(agent, call):
                old = seen
            elif agent.colour == call.to:
                new.append(seen)
            else:
                others.append(seen)
    return Look(caller, old, new, others)


def is_old(agent: Agent, call: Call) -> bool:
    """By its job: an app may give its agents one identity, and then the new one has it, too."""
    return agent.job == call.job and (call.job is not None or agent.identity == call.identity)
