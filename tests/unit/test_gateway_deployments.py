"""Deployments of LiveKit Server 1.12 and later: part of the key, exact, and a dark name besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
import pytest

from releve.gateway import app
from releve.gateway.config import AgentKey, GatewayConfig
from unit.gateway_running import Running
from unit.gateway_standin import KEYS, StandInServer, registered, until

COACH = {"default": AgentKey(agent_name="coach")}


@asynccontextmanager
async def served(
    config: GatewayConfig, server: StandInServer, connections: int
) -> AsyncIterator[Running]:
    """A gateway that has so many registrations at the server."""
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop))
    await until(lambda: task.done() or len(server.connections) == connections)
    gateway = Running(config, stop)
    try:
        yield gateway
    finally:
        await gateway.close()
        stop.set()
        await asyncio.wait_for(task, 5)


async def test_a_deployment_reaches_one_colour_under_the_agents_own_name(
    config: GatewayConfig, server: StandInServer
) -> None:
    server.version = "1.12.0"
    coach = config.model_copy(update={"agents": COACH})
    async with (
        served(coach, server, 5) as gateway,
        registered(gateway.workers, gateway.blue, agent_name="coach") as blue,
        registered(gateway.workers, gateway.green, agent_name="coach") as green,
    ):
        assert await server.dispatch("public", "coach")
        assert await server.dispatch("dark", "coach@releve-green")
        assert await server.dispatch("by name", "releve-green")
        await until(lambda: len(green.rooms) == 2)
        assert (blue.rooms, green.rooms) == (["public"], ["dark", "by name"])
        for given in green.assigned:
            claims = jwt.decode(given.token, KEYS.secret, algorithms=["HS256"])
            assert claims["attributes"]["lk.agent_name"] == "coach"
        asked = {(it.agent_name, it.deployment) for it in server.registrations}
        assert ("coach", "releve-blue") in asked


@pytest.mark.parametrize("version", ["1.9.11", "1.11.3", "stand-in"])
async def test_a_server_without_deployments_is_offered_none(
    config: GatewayConfig, server: StandInServer, version: str
) -> None:
    """It would take such a registration for the public one, and send everybody to the dark."""
    server.version = version
    async with (
        served(config, server, 3) as gateway,
        registered(gateway.workers, gateway.blue),
    ):
        assert await server.dispatch("room")
        assert [it for it in server.registrations if it.deployment] == []
        assert all(it["connected"] for it in (await gateway.state())["upstreams"])


async def test_a_server_that_is_replaced_by_an_older_one_is_not_asked_any_more(
    config: GatewayConfig, server: StandInServer
) -> None:
    server.version = "1.13.5"
    async with served(config, server, 5) as gateway:
        await server.stop()
        server.registrations.clear()
        server.version = "1.9.11"
        await server.start()
        await until(lambda: len(server.connections) == 3, 10)
        async with registered(gateway.workers, gateway.blue):
            assert await server.dispatch("room")
        assert [it.deployment for it in server.registrations if it.deployment] == []
        wanted = (await gateway.state())["upstreams"]
        assert [it["deployment"] for it in wanted] == ["", "", ""]


async def test_the_agents_own_deployment_is_a_part_of_its_key(
    config: GatewayConfig, server: StandInServer
) -> None:
    server.version = "1.12.0"
    agents = {
        "default": AgentKey(agent_name="coach", deployment="production"),
        "trial": AgentKey(agent_name="coach", deployment="staging"),
    }
    async with (
        served(config.model_copy(update={"agents": agents}), server, 10) as gateway,
        registered(
            gateway.workers, gateway.blue, agent_name="coach", deployment="production"
        ) as production,
        registered(
            gateway.workers, gateway.blue, agent_name="coach", deployment="staging"
        ) as staging,
    ):
        assert await server.dispatch("one", "coach@production")
        assert await server.dispatch("two", "coach@staging")
        await until(lambda: production.rooms == ["one"] and staging.rooms == ["two"])
        with pytest.raises(ConnectionResetError, match="deployment 'preview'"):
            async with registered(
                gateway.workers, gateway.blue, agent_name="coach", deployment="preview"
            ):
                pass


async def test_a_worker_whose_sdk_knows_no_deployment_serves_the_agent_that_has_one(
    config: GatewayConfig, server: StandInServer
) -> None:
    server.version = "1.12.0"
    agents = {"default": AgentKey(deployment="production")}
    async with (
        served(config.model_copy(update={"agents": agents}), server, 5) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        assert await server.dispatch("room", "@production")
        await until(lambda: worker.rooms == ["room"])


async def test_a_deployment_at_an_older_server_is_said_and_not_served(
    config: GatewayConfig, server: StandInServer, caplog: pytest.LogCaptureFixture
) -> None:
    agents = {"default": AgentKey(deployment="production")}
    server.version = "1.9.11"
    sentence = "take 'production' out of the settings of agent default"
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config.model_copy(update={"agents": agents}), stop))
    await until(lambda: any(sentence in str(it.__dict__.get("why")) for it in caplog.records))
    stop.set()
    await task


async def test_what_a_later_server_tells_besides_reaches_the_worker(
    config: GatewayConfig, server: StandInServer
) -> None:
    """A field 4000 in the answer to a registration and in a job: bytes that nobody knows yet."""
    unknown = b"\x82\xfa\x01\x03new"
    server.tells_besides = unknown
    async with (
        served(config, server, 3) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        assert unknown in worker.told_besides
        assert await server.dispatch("room", besides=unknown)
        await until(lambda: worker.rooms == ["room"])
        assert unknown in worker.assigned[0].job.SerializeToString()


async def test_messages_that_nobody_knows_yet_end_no_connection(
    gateway: Running, server: StandInServer
) -> None:
    unknown = b"\x82\xfa\x01\x03new"
    async with registered(gateway.workers, gateway.blue) as worker:
        await worker.socket.send_bytes(unknown)
        await server.connections[""].send_bytes(unknown)
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        assert not worker.closed.is_set()


def test_a_deployment_that_the_server_would_refuse_is_a_mistake() -> None:
    for wrong in ("a_b", "a/b", "x" * 65):
        with pytest.raises(ValueError, match="String should match pattern"):
            AgentKey(deployment=wrong)


def test_dark_deployments_are_such_that_the_server_takes_them(config: GatewayConfig) -> None:
    agents = {"default": AgentKey(), "my_agent": AgentKey(agent_name="mine")}
    several = config.model_copy(update={"agents": agents})
    assert several.dark_name("my_agent", "green") == "releve-my_agent-green"
    AgentKey(deployment=several.dark_deployment("my_agent", "green"))
