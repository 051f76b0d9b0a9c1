"""The gateway itself is replaced while rooms come: its successor listens on the same ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiohttp import web
from livekit.protocol import agent as proto

from releve.gateway import app
from releve.gateway.config import GatewayConfig
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, registered, until

Connections = dict[str, web.WebSocketResponse]


@dataclass
class Pair:
    """Two gateways, and the server's connections to each."""

    first: Running
    second: Running
    to_first: Connections
    to_second: Connections


@pytest.fixture
async def pair(config: GatewayConfig, server: StandInServer) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(config, server))
        to_first = dict(server.connections)
        server.connections.clear()
        second = await stack.enter_async_context(running(config, server, take_over=True))
        yield Pair(first, second, to_first, dict(server.connections))


async def test_on_localhost_the_gateway_is_at_both_loopback_addresses_and_nowhere_else(
    config: GatewayConfig, server: StandInServer
) -> None:
    """A worker that goes to `localhost` may use either."""
    async with running(config.model_copy(update={"listen_host": "localhost"}), server) as gateway:
        for host in ("127.0.0.1", "[::1]"):
            async with registered(gateway.workers, gateway.blue, "one", host=host):
                pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.2", gateway.blue)


async def test_a_second_gateway_that_was_not_meant_to_be_fails(
    gateway: Running, config: GatewayConfig
) -> None:
    with pytest.raises(OSError, match="in use"):
        await app.run(config, asyncio.Event())
    assert (await gateway.state())["weights"] == {"blue": 100, "green": 0}


async def test_a_room_that_comes_between_the_two_is_turned_away_when_the_second_can_take_it(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(config, server))
        old = await stack.enter_async_context(registered(first.workers, first.blue, "old"))
        to_first = dict(server.connections)
        server.connections.clear()
        second = await stack.enter_async_context(running(config, server, take_over=True))
        to_second = dict(server.connections)

        first.stop.set()
        await asyncio.wait_for(old.closed.wait(), 5)
        assert old.socket.close_code == 1012
        server.connections = to_first
        offered = asyncio.create_task(server.dispatch("between"))
        again = await stack.enter_async_context(registered(first.workers, first.blue, "again"))
        assert [item["id"] for item in (await second.state())["workers"]] == [again.id]
        assert not offered.done()
        assert not await offered
        server.connections = to_second
        assert await server.dispatch("between")
        await until(lambda: again.rooms == ["between"])


async def test_the_operator_speaks_to_the_second_and_the_second_remembers(pair: Pair) -> None:
    assert (await pair.second.weights(100))[0] == 200
    pair.first.stop.set()
    await until(lambda: all(item.closed for item in pair.to_first.values()))
    assert (await pair.second.state())["weights"] == {"blue": 0, "green": 100}


async def test_while_it_ends_others_are_asked_first_and_it_before_nobody(
    gateway: Running, server: StandInServer
) -> None:
    """A server that knows of nobody who is available leaves the room alone."""
    async with registered(gateway.workers, gateway.blue) as worker:
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_AVAILABLE)
        gateway.stop.set()
        await asyncio.wait_for(worker.closed.wait(), 5)
        offered = asyncio.create_task(server.dispatch("room"))
        await until(lambda: server.status["releve-green"] == proto.WorkerStatus.WS_AVAILABLE)
        assert not await offered
        assert server.status[""] == proto.WorkerStatus.WS_AVAILABLE
