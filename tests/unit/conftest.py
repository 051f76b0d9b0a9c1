"""Fixtures of the gateway's unit tests: a stand-in server, settings, a running gateway."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ports import free_port
from releve.gateway.config import AgentKey, GatewayConfig
from unit.gateway_running import Running, running
from unit.gateway_standin import KEYS, StandInServer


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """`releve gateway run` sets up logging for its process, which here is the tests' own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def server() -> AsyncIterator[StandInServer]:
    server = StandInServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def config(tmp_path: Path, server: StandInServer) -> GatewayConfig:
    keys_file = tmp_path / "keys"
    keys_file.write_text(f"{KEYS.api_key}: {KEYS.secret}\n")
    blue, green, metrics = (free_port() for _ in range(3))
    return GatewayConfig(
        server_url=server.url,
        media_url="ws://media.example",
        keys_file=keys_file,
        state_file=tmp_path / "state",
        admin_socket=tmp_path / "admin.sock",
        agents={"default": AgentKey(namespace="default")},
        listen_host="127.0.0.1",
        ports={"blue": blue, "green": green},
        metrics_port=metrics,
        answer_seconds=0.2,
        offer_seconds=1.0,
    )


@pytest.fixture
async def gateway(config: GatewayConfig, server: StandInServer) -> AsyncIterator[Running]:
    async with running(config, server) as gateway:
        yield gateway
