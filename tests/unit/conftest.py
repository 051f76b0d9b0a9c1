"""Fixtures of the gateway's unit tests: a stand-in server, settings, a running gateway."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from releve.gateway.config import GatewayConfig
from unit.gateway_running import Running, running, settings
from unit.gateway_standin import StandInServer


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
    return settings(tmp_path, server, answer_seconds=0.2, offer_seconds=1.0)


@pytest.fixture
async def gateway(config: GatewayConfig, server: StandInServer) -> AsyncIterator[Running]:
    async with running(config, server) as gateway:
        yield gateway
