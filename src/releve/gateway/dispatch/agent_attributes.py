"""Every agent that comes through the gateway wears its name and colour in the room.

The server then tells for itself whose call a room is (ListParticipants), whatever the gateway
remembers, and also after the gateway was replaced.
"""

from __future__ import annotations

from collections.abc import Mapping

from livekit.protocol import agent as proto

from releve.gateway.dispatch.worker import Worker
from releve.gateway.policy import COLOURS, Colour

AGENT = "releve.agent"
COLOUR = "releve.colour"
WORKER = "releve.worker"


def put(answer: proto.AvailabilityResponse, worker: Worker) -> None:
    """Write the stamp into the attributes that the agent's participant will have."""
    answer.participant_attributes[AGENT] = worker.agent
    answer.participant_attributes[COLOUR] = worker.colour
    answer.participant_attributes[WORKER] = worker.id


def is_of(attributes: Mapping[str, str], agent: str) -> bool:
    """Whether it is that agent, or may be: one that came past the gateway does not say."""
    return attributes.get(AGENT, agent) == agent


def colour(attributes: Mapping[str, str]) -> Colour | None:
    """The colour an agent wears; None for one that came past the gateway."""
    worn = attributes.get(COLOUR)
    return worn if worn in COLOURS else None
