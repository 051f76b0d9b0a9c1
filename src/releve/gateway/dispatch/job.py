"""A dispatch, as the server's offer tells it, and the job that came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from livekit import api
from livekit.protocol import agent as proto

from releve.gateway.dispatch.worker import Link, Worker
from releve.gateway.registration_key import Key

State = Literal["offered", "running", "ended", "detached", "lost"]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What the server was asked for, by whoever opened the room; `key` is the one it was offered
    under, `sid` this room's and no later one's of the same name."""

    key: Key
    room: str
    sid: str = ""
    id: str = ""
    metadata: str = ""
    deployment: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, key: Key, job: proto.Job) -> Dispatch:
        """The dispatch of an offered job."""
        return cls(
            key,
            job.room.name,
            job.room.sid,
            job.dispatch_id,
            job.metadata,
            job.deployment,
            dict(job.attributes),
        )

    @property
    def for_room(self) -> bool:
        """Whether it asks for an agent for the room; others are for one participant each."""
        return self.key.kind == proto.JobType.JT_ROOM

    def request(self) -> api.CreateAgentDispatchRequest:
        """The same once more."""
        return api.CreateAgentDispatchRequest(
            room=self.room,
            agent_name=self.key.agent_name,
            metadata=self.metadata,
            deployment=self.deployment,
            attributes=self.attributes,
        )


@dataclass(eq=False)
class Job:
    """One assignment from acceptance to its end; times in monotonic seconds."""

    id: str
    dispatch: Dispatch
    worker: Worker
    upstream: Link
    identity: str = ""
    state: State = "offered"
    started: float = field(default_factory=lambda: time.monotonic())
    ended: float | None = None
    said: str = ""
    """How it ended, by its worker's word; with the error that it told."""

    @property
    def key(self) -> Key:
        """The key it was offered under."""
        return self.dispatch.key

    @property
    def room(self) -> str:
        """The room's name."""
        return self.dispatch.room

    @property
    def sid(self) -> str:
        """The room's id."""
        return self.dispatch.sid

    def describe(self) -> dict[str, object]:
        """The form of GET /jobs."""
        return {
            "job": self.id,
            "room": self.room,
            "agent": self.worker.agent,
            "colour": self.worker.colour,
            "worker": self.worker.id,
            "state": self.state,
            "started": self.started,
            "ended": self.ended,
        }
