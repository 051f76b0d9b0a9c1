"""One gateway, several agents: what is done to one is not felt by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from livekit.protocol import agent as proto
from livekit.protocol import models
from typer.testing import CliRunner

from releve.gateway import app, cli
from releve.gateway.config import AgentKey, GatewayConfig
from releve.gateway.upkeep import drain, redispatch
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, connected, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")
AGENTS = {
    "default": AgentKey(namespace="default"),
    "coach": AgentKey(agent_name="coach"),
}


@pytest.fixture
async def two(config: GatewayConfig, server: StandInServer) -> AsyncIterator[Running]:
    """A gateway of two agents."""
    settings = config.model_copy(update={"agents": AGENTS})
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(settings, stop))
    await until(lambda: task.done() or len(server.connections) == 6)
    gateway = Running(settings, stop)
    yield gateway
    await gateway.close()
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_every_agent_is_registered_under_its_own_key(
    two: Running, server: StandInServer
) -> None:
    names = {(item.agent_name, item.namespace) for item in server.registrations}
    assert names == {
        ("", "default"),
        ("releve-blue", "default"),
        ("releve-green", "default"),
        ("coach", ""),
        ("releve-coach-blue", ""),
        ("releve-coach-green", ""),
    }


async def test_a_room_goes_to_a_worker_of_the_agent_that_was_asked_for(
    two: Running, server: StandInServer
) -> None:
    async with (
        registered(two.workers, two.blue, namespace="default") as plain,
        registered(two.workers, two.blue, agent_name="coach") as coach,
    ):
        assert await server.dispatch("lesson")
        assert await server.dispatch("training", "coach")
        assert await server.dispatch("probe", "releve-coach-blue")
        await until(lambda: len(plain.rooms) + len(coach.rooms) == 3)
        assert (plain.rooms, coach.rooms) == (["lesson"], ["training", "probe"])
        assert not await server.dispatch("nobody", "releve-coach-green")


async def test_one_agent_flips_and_is_cordoned_without_touching_the_other(
    two: Running, server: StandInServer
) -> None:
    async with (
        registered(two.workers, two.blue) as plain,
        registered(two.workers, two.blue, agent_name="coach") as blue,
        registered(two.workers, two.green, agent_name="coach") as green,
    ):
        body = {"blue": 0, "green": 100}
        assert (await two.weights(100, "coach"))[1]["agent"] == "coach"
        assert await server.dispatch("lesson")
        assert await server.dispatch("training", "coach")
        await until(lambda: (plain.rooms, green.rooms) == (["lesson"], ["training"]))
        assert blue.offered == []
        for colour in ("blue", "green"):
            assert (await two.cordon(colour, agent="coach"))[0] == 200
        assert not await server.dispatch("training", "coach")
        full, free = proto.WorkerStatus.WS_FULL, proto.WorkerStatus.WS_AVAILABLE
        await until(lambda: server.status["coach"] == full)
        assert server.status[""] == free
        state = await two.state()
        assert (state["weights"], state["cordoned"]) == ({"blue": 100, "green": 0}, [])
        assert state["agents"]["coach"]["weights"] == body
        assert state["agents"]["coach"]["cordoned"] == ["blue", "green"]


async def test_decisions_about_each_agent_outlive_the_gateway(
    two: Running, server: StandInServer
) -> None:
    await two.weights(60, "coach")
    two.stop.set()
    await until(lambda: all(item.closed for item in server.connections.values()))
    stop = asyncio.Event()
    server.connections.clear()
    task = asyncio.create_task(app.run(two.config, stop))
    await until(lambda: task.done() or len(server.connections) == 6)
    agents = (await two.state())["agents"]
    assert agents["default"]["weights"] == {"blue": 100, "green": 0}
    assert agents["coach"]["weights"] == {"blue": 40, "green": 60}
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_another_job_type_is_registered_for_the_agent_that_takes_it_alone(
    two: Running, server: StandInServer
) -> None:
    kind = proto.JobType.JT_PUBLISHER
    async with registered(two.workers, two.green, agent_name="coach", type=kind) as worker:
        await until(lambda: "coach/JT_PUBLISHER" in server.connections)
        await two.weights(100, "coach")
        assert await server.dispatch("room", "coach/JT_PUBLISHER")
        await until(lambda: worker.rooms == ["room"])
        assert "/JT_PUBLISHER" not in server.connections


async def test_a_worker_of_no_agent_is_told_whom_the_gateway_serves(two: Running) -> None:
    async with connected(two.workers, two.blue) as worker:
        with pytest.raises(ConnectionResetError, match="serves agent_name '', 'coach', the worker"):
            await worker.register(agent_name="teacher")


async def test_an_agent_that_is_not_served_is_a_mistake(two: Running) -> None:
    for status, answer in (
        await two.weights(100, "x"),
        await two.admin("GET", "/decisions?agent=x"),
    ):
        assert (status, answer["error"]) == (404, "there is no agent 'x'; use default or coach")


async def test_a_colour_of_one_agent_is_drained_whatever_the_others_calls(
    two: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)
    worn = {"releve.agent": "default", "releve.colour": "blue"}
    server.people = {"lesson": [participant("a", **worn)]}
    words = ["drain", "blue", "--agent", "coach", "--seconds", "10"]
    words += ["--socket", str(two.config.admin_socket)]
    drained = await asyncio.to_thread(CliRunner().invoke, cli.app, words)
    assert drained.output == "blue is drained\n"
    agents = (await two.state())["agents"]
    assert [agents[name]["drained"] for name in ("default", "coach")] == [[], ["blue"]]


async def test_another_agent_in_the_room_is_no_replacement_for_one_that_died(
    two: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)
    async with registered(two.workers, two.blue, agent_name="coach") as coach:
        assert await server.dispatch("room", "coach")
        await until(lambda: coach.rooms == ["room"])
        server.people = {"room": [CALLER, participant("plain", **{"releve.agent": "default"})]}
    await until(lambda: bool(server.asked_for))
    assert server.asked_for[0] == ("room", "coach")


async def test_metrics_and_page_tell_the_agents_apart(two: Running) -> None:
    base = f"http://127.0.0.1:{two.config.metrics_port}"
    await two.weights(60, "coach")
    async with (
        registered(two.workers, two.green, agent_name="coach"),
        two.plain.get(f"{base}/metrics") as answer,
    ):
        text = await answer.text()
    assert 'releve_weight{agent="default",colour="green"} 0.0' in text
    assert 'releve_weight{agent="coach",colour="green"} 60.0' in text
    assert 'releve_workers{agent="coach",colour="green"} 1.0' in text
    assert 'releve_flips_total{agent="coach"} 1.0' in text
    assert 'releve_server_connected{agent="coach",key="releve-coach-blue"} 1.0' in text


async def test_the_operator_names_the_agent(two: Running, tmp_path: Path) -> None:
    async def type_(*words: str) -> str:
        line = [*words, "--socket", str(two.config.admin_socket)]
        return (await asyncio.to_thread(CliRunner().invoke, cli.app, line)).output

    assert (
        await type_("weights", "60", "--agent", "coach", "--allow-unserved")
        == "coach: blue 40 %, green 60 %: set\n"
    )
    assert "there is no agent 'x'" in await type_("weights", "60", "--agent", "x")
    assert "coach" in await type_("state")
