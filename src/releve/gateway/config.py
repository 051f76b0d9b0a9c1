"""Settings of the gateway: one YAML file without secrets, checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from releve.gateway.policy import COLOURS, Colour


class ConfigError(ValueError):
    """The settings cannot be used; the message says what to change."""


class GatewayConfig(BaseModel):
    """What an operator may set; times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server_url: str = Field(pattern=r"^wss?://", description="where the gateway reaches the server")
    media_url: str = Field(pattern=r"^wss?://", description="what agents are told to join at")
    keys_file: Path
    state_file: Path
    admin_socket: Path
    agent_name: str = ""
    namespace: str = ""
    listen_host: str = "0.0.0.0"  # noqa: S104  workers come from the container network
    ports: dict[Colour, int] = {"blue": 7890, "green": 7891}
    metrics_port: int = 7899
    fallback: tuple[Colour, ...] = ("blue",)
    answer_seconds: float = Field(default=3.0, gt=0, description="how long one worker may think")
    offer_seconds: float = Field(default=8.0, gt=0, lt=10, description="the server gives up at 10")
    max_workers: int = Field(default=2000, gt=0)

    @field_validator("server_url", "media_url")
    @classmethod
    def _no_trailing_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @field_validator("ports")
    @classmethod
    def _a_port_each(cls, ports: dict[Colour, int]) -> dict[Colour, int]:
        if len(set(ports.values())) != len(COLOURS):
            raise ValueError("give blue and green a port each, and not the same one")
        return ports

    def dark_name(self, colour: Colour) -> str:
        """The agent name under which only workers of `colour` are dispatched."""
        return f"releve-{colour}"


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
