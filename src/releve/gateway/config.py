"""Settings of the gateway: one YAML file without secrets, checked before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from releve.gateway.policy import COLOURS, Colour


class ConfigError(ValueError):
    """The settings cannot be used; the message says what to change."""


DEFAULT = "default"
"""The agent that is meant where none is named."""
AgentName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


class AgentKey(BaseModel):
    """Under which key the server knows an agent, and what is set for it alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent_name: str = ""
    namespace: str = ""
    deployment: str = Field(default="", pattern=r"^[A-Za-z0-9.-]{0,64}$")
    calls: int | None = Field(default=None, gt=0, description="so many calls at once, and no more")
    calls_per_worker: int | None = Field(default=None, gt=0)
    queue_seconds: float = Field(default=1.0, ge=0, le=2, description="waits so long for a place")
    restart: Literal["never", "on_failure", "always"] = "never"
    sticky: str = Field(default="", max_length=100, description="identity, or an attribute")
    restarts: int = Field(default=3, ge=1, le=100, description="of one room")


class GatewayConfig(BaseModel):
    """What an operator may set; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server_url: str = Field(pattern=r"^wss?://", description="where the gateway reaches the server")
    media_url: str = Field(pattern=r"^wss?://", description="what agents are told to join at")
    keys_file: Path
    state_file: Path
    admin_socket: Path
    agents: dict[AgentName, AgentKey] = Field(
        default={DEFAULT: AgentKey()}, description="by the operator's name for each"
    )
    listen_host: str = "0.0.0.0"  # noqa: S104  workers come from the container network; `localhost`
    ports: dict[Colour, int] = {"blue": 7890, "green": 7891}
    metrics_port: int = 7899
    fallback: tuple[Colour, ...] = ("blue",)
    answer_seconds: float = Field(default=0.8, gt=0, description="after it another is asked, too")
    offer_seconds: float = Field(default=2.5, gt=0, lt=2.8, description="the server waits so long")
    max_workers: int = Field(default=5000, gt=0)
    worker_cert: Path | None = Field(default=None, description="PEM chain: workers then use wss")
    worker_key: Path | None = None
    worker_tls: tuple[Colour, ...] = Field(default=COLOURS, description="whose workers use it")

    @field_validator("server_url", "media_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @field_validator("agents")
    @classmethod
    def _the_default_first(cls, agents: dict[str, AgentKey]) -> dict[str, AgentKey]:
        if DEFAULT not in agents:
            raise ValueError(f"call one of the agents {DEFAULT!r}: it is meant where none is named")
        return {DEFAULT: agents[DEFAULT]} | agents

    @field_validator("ports")
    @classmethod
    def _a_port_each(cls, ports: dict[Colour, int]) -> dict[Colour, int]:
        if len(set(ports.values())) != len(COLOURS):
            raise ValueError("give blue and green a port each, and not the same one")
        return ports

    @model_validator(mode="after")
    def _and_one_for_metrics(self) -> Self:
        # They are shared with a successor, so the system would not object.
        if self.metrics_port in self.ports.values():
            raise ValueError(f"metrics_port {self.metrics_port} is a colour's; give another")
        return self

    @model_validator(mode="after")
    def _every_key_once(self) -> Self:
        seen: dict[tuple[str, str, str], str] = {}
        for agent, key in self.agents.items():
            dark = [self.dark_name(agent, colour) for colour in COLOURS]
            deployments = [self.dark_deployment(agent, colour) for colour in COLOURS]
            named = [(name, "") for name in dark]
            named += [(key.agent_name, it) for it in (key.deployment, *deployments)]
            for agent_name, deployment in named:
                other = seen.setdefault((agent_name, key.namespace, deployment), agent)
                if other != agent or key.agent_name in dark or key.deployment in deployments:
                    raise ValueError(
                        f"agents {other} and {agent} would both be registered as {agent_name!r} in "
                        f"namespace {key.namespace!r}; give every key once"
                    )
        return self

    @model_validator(mode="after")
    def _time_is_left_to_ask(self) -> Self:
        for agent, settings in self.agents.items():
            capped = (settings.calls, settings.calls_per_worker) != (None, None)
            if capped and settings.queue_seconds >= self.offer_seconds:
                raise ValueError(
                    f"queue_seconds of agent {agent} must be less than offer_seconds, "
                    f"{self.offer_seconds:g}"
                )
        return self

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Self:
        if (self.worker_cert is None) != (self.worker_key is None):
            raise ValueError("give worker_cert and worker_key, or neither")
        return self

    def dark_name(self, agent: str, colour: Colour) -> str:
        """The agent name under which only workers of that agent and `colour` are dispatched."""
        return f"releve-{colour}" if agent == DEFAULT else f"releve-{agent}-{colour}"

    def dark_deployment(self, agent: str, colour: Colour) -> str:
        """The deployment that does the same under the agent's own name; the server takes no _."""
        return self.dark_name(agent, colour).replace("_", ".")

    def agent_of(self, agent_name: str, namespace: str, deployment: str = "") -> str | None:
        """Whose worker registers like that; None for nobody's.

        The namespace counts only where agents share a name: 0.7.2 and 1.x of one agent differ in
        it. A worker that names a deployment is of that one only; older SDKs know none.
        """
        named = {
            agent: key.namespace
            for agent, key in self.agents.items()
            if key.agent_name == agent_name and deployment in ("", key.deployment)
        }
        if len(named) == 1:
            return next(iter(named))
        return next((agent for agent, own in named.items() if own == namespace), None)


def load(path: Path) -> GatewayConfig:
    """Read and check the settings; raises ConfigError with one sentence per mistake."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"gateway settings {path}: {error}") from error
    try:
        return GatewayConfig.model_validate(raw)
    except ValidationError as error:
        mistakes = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'file'}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"gateway settings {path}: {mistakes}") from error
