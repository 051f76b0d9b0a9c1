"""What a participant is: a caller, an agent, or something that belongs to one of them."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.protocol import models

from releve.gateway.dispatch import agent_attributes
from releve.gateway.policy import Colour

ON_BEHALF = "lk.publish_on_behalf"
"""On an avatar: the identity of the agent that it speaks for."""
Kind = models.ParticipantInfo.Kind


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent in a room; what only the gateway's attributes tell is None for one that came past
    it."""

    room: str
    identity: str
    agent: str | None
    colour: Colour | None
    worker: str | None
    job: str | None
    kind: str
    gateway: str | None

    @property
    def for_room(self) -> bool:
        """Whether it is there for the room, and not for one participant."""
        return self.kind == agent_attributes.ROOM

    def describe(self) -> dict[str, object]:
        """The form of GET /calls."""
        return {
            "room": self.room,
            "identity": self.identity,
            "agent": self.agent,
            "colour": self.colour,
            "worker": self.worker,
        }


def is_agent(who: models.ParticipantInfo) -> bool:
    """Whether it is an agent of its own: an avatar is a part of another one."""
    return bool(who.kind == Kind.AGENT) and ON_BEHALF not in who.attributes


def is_caller(who: models.ParticipantInfo) -> bool:
    """Whether an agent would be missed by it: not by an agent, a recorder or a hidden listener."""
    unseen = who.permission.hidden or who.permission.recorder
    return who.kind not in (Kind.AGENT, Kind.EGRESS) and not unseen


def agents_of(room: str, people: list[models.ParticipantInfo]) -> list[Agent]:
    """The agents among a room's participants."""
    return [_agent(room, who) for who in people if is_agent(who)]


def _agent(room: str, who: models.ParticipantInfo) -> Agent:
    worn = who.attributes
    return Agent(
        room,
        who.identity,
        worn.get(agent_attributes.AGENT),
        agent_attributes.colour(worn),
        worn.get(agent_attributes.WORKER),
        worn.get(agent_attributes.JOB),
        worn.get(agent_attributes.TYPE, agent_attributes.ROOM),
        worn.get(agent_attributes.GATEWAY),
    )
