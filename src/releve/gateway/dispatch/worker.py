"""A worker connected to the gateway."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway.policy import Candidate, Colour, Rank


class Link(Protocol):
    """The sending half of a connection."""

    async def send(self, message: Any) -> None:
        """Send one protobuf message; raises ConnectionError when the peer is gone."""


class Unconnected:
    """The link of a peer that is not there."""

    async def send(self, _message: Any) -> None:
        """Raises ConnectionError."""
        raise ConnectionResetError("not connected")


class OpenOffer(Protocol):
    """An offer that is asking workers; `message` is None when the worker has left."""

    def hear(self, worker: Worker, message: proto.WorkerMessage | None) -> None:
        """Take a worker's answer, whenever it comes."""


@dataclass(eq=False, slots=True)
class Worker:
    """One agent worker; exists as long as its connection does."""

    id: str
    agent: str
    colour: Colour
    link: Link
    register: proto.RegisterWorkerRequest
    peer: str
    load: float = 0.0
    fresh: int = 0
    full: bool = False
    cordoned: bool = False
    silent: bool = False
    silences: int = 0
    jobs: set[str] = field(default_factory=set)
    registered: float = field(default_factory=time.monotonic)
    asked: dict[str, OpenOffer] = field(default_factory=dict)
    place: Rank | None = None
    most_calls: int | None = None

    @property
    def at_its_cap(self) -> bool:
        """Whether it has all calls that it may have, if all who ask it now hear a yes."""
        most = self.most_calls
        return most is not None and len(self.jobs) + len(self.asked) >= most

    @property
    def permission(self) -> models.ParticipantPermission:
        """What the worker's agents may do; the server's own default when it did not say."""
        if self.register.HasField("allowed_permissions"):
            return self.register.allowed_permissions
        return models.ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, can_update_metadata=True
        )

    def candidate(self) -> Candidate:
        """This worker as the policy sees it, now."""
        return Candidate(
            self.id,
            self.colour,
            self.load,
            len(self.jobs),
            self.fresh + len(self.asked),
            self.full or self.at_its_cap,
            self.cordoned,
            self.silent,
        )

    def describe(self) -> dict[str, object]:
        """The form of GET /state."""
        return {
            "id": self.id,
            "agent": self.agent,
            "colour": self.colour,
            "peer": self.peer,
            "version": self.register.version,
            "agent_name": self.register.agent_name,
            "namespace": self.register.namespace,
            "type": proto.JobType.Name(self.register.type),
            "load": round(self.load, 3),
            "full": self.full,
            "cordoned": self.cordoned,
            "silent": self.silent,
            "jobs": len(self.jobs),
            "registered": self.registered,
        }

    def answer(self, message: proto.WorkerMessage) -> None:
        """Bring an answer to the offer it belongs to, if that is still open."""
        job_id = message.availability.job_id
        if not job_id and not message.availability.available and len(self.asked) == 1:
            # 0.7.2 names no job when the agent's own request function neither took nor refused.
            (job_id,) = self.asked
        if (offer := self.asked.get(job_id)) is not None:
            offer.hear(self, message)

    def gone(self) -> None:
        """Tell everybody who waits for an answer that none will come."""
        for offer in list(self.asked.values()):
            offer.hear(self, None)
        self.asked.clear()
