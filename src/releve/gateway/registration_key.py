"""Under what the gateway is registered at the server."""

from __future__ import annotations

from dataclasses import dataclass

from livekit.protocol import agent as proto

from releve.gateway.config import GatewayConfig
from releve.gateway.policy import COLOURS, Colour

JOB_TYPES: tuple[int, ...] = tuple(proto.JobType.values())
"""A worker takes jobs of one type: room, publisher or participant."""


@dataclass(frozen=True, slots=True)
class Key:
    """One agent's public key, or the dark key of its colour `only`, for jobs of one type."""

    agent: str
    agent_name: str = ""
    namespace: str = ""
    only: Colour | None = None
    kind: int = proto.JobType.JT_ROOM
    deployment: str = ""

    @property
    def by_deployment(self) -> bool:
        """Whether it is a dark key that differs from the public one in the deployment only. A
        server that knows no deployments would take it for the public one."""
        return self.only is not None and bool(self.deployment)

    def __str__(self) -> str:
        """As logs, events and metrics name it beside the agent."""
        name = self.agent_name or "public"
        if self.deployment:
            name += f" deployment {self.deployment}"
        if self.kind == proto.JobType.JT_ROOM:
            return name
        return f"{name} {proto.JobType.Name(self.kind)}"

    def describe(self) -> dict[str, object]:
        """The form of GET /state."""
        return {
            "agent": self.agent,
            "agent_name": self.agent_name,
            "namespace": self.namespace,
            "deployment": self.deployment,
            "type": proto.JobType.Name(self.kind),
        }


def keys_of(config: GatewayConfig) -> list[Key]:
    """Every key: the default agent's public key for rooms comes first."""
    found = []
    for kind in JOB_TYPES:
        for agent, key in config.agents.items():
            own = (agent, key.agent_name, key.namespace)
            found.append(Key(*own, None, kind, key.deployment))
            for colour in COLOURS:
                name = config.dark_name(agent, colour)
                found.append(Key(agent, name, key.namespace, colour, kind))
                deployment = config.dark_deployment(agent, colour)
                found.append(Key(*own, colour, kind, deployment))
    return found
