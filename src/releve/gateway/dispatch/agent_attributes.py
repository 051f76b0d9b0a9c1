"""Attributes of an agent's participant by which the server tells whose call a room is.

ListParticipants then answers it, whatever the gateway remembers, also after it was replaced.
"""

from __future__ import annotations

from collections.abc import Mapping

from livekit.protocol import agent as proto

from releve.gateway.dispatch.job import Job
from releve.gateway.policy import COLOURS, Colour

AGENT = "releve.agent"
COLOUR = "releve.colour"
WORKER = "releve.worker"
JOB = "releve.job"
TYPE = "releve.type"
"""Of the job; told only when it is not a room job."""
GATEWAY = "releve.gateway"
"""The gateway, and whoever takes over from it, in contrast to others beside it."""
ROOM = "JT_ROOM"


def put(answer: proto.AvailabilityResponse, job: Job, gateway: str) -> None:
    """Write them into a worker's answer: the server copies them to the participant."""
    written = answer.participant_attributes
    written[AGENT] = job.worker.agent
    written[COLOUR] = job.worker.colour
    written[WORKER] = job.worker.id
    written[JOB] = job.id
    kind = proto.JobType.Name(job.key.kind)
    if kind != ROOM:
        written[TYPE] = kind
    if gateway:
        written[GATEWAY] = gateway


def is_of(attributes: Mapping[str, str], agent: str) -> bool:
    """Whether it is that agent, or may be: one that came past the gateway does not say."""
    return attributes.get(AGENT, agent) == agent


def colour(attributes: Mapping[str, str]) -> Colour | None:
    """The colour of an agent; None for one that came past the gateway."""
    worn = attributes.get(COLOUR)
    return worn if worn in COLOURS else None
