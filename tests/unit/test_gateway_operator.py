"""What an operator types, against a gateway that runs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from rich.console import RenderableType
from typer.testing import CliRunner, Result

from releve.gateway import cli
from releve.gateway.operator import terminal
from releve.gateway.upkeep import drain
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, participant, registered, until


async def type_(gateway: Running, *words: str) -> Result:
    """`releve gateway …` in a thread, because the gateway runs in this one."""
    line = [*words, "--socket", str(gateway.config.admin_socket)]
    return await asyncio.to_thread(CliRunner(env={"COLUMNS": "120"}).invoke, cli.app, line)


async def test_state_and_jobs_show_who_serves_whom(gateway: Running, server: StandInServer) -> None:
    async with registered(gateway.workers, gateway.blue, version="0.7.2") as worker:
        assert await server.dispatch("my-room")
        await until(lambda: worker.rooms == ["my-room"])
        state, jobs = await type_(gateway, "state"), await type_(gateway, "jobs")
    assert (state.exit_code, jobs.exit_code) == (0, 0), state.output + jobs.output
    assert "server stand-in, all keys registered" in state.output
    assert worker.id in state.output
    assert "my-room" in jobs.output


async def test_weights_flip_and_say_so(gateway: Running) -> None:
    nobody = await type_(gateway, "weights", "70")
    assert nobody.exit_code == 2
    assert "green would get weight, and no uncordoned worker of it is connected" in nobody.output
    async with registered(gateway.workers, gateway.green):
        first, again = await type_(gateway, "weights", "70"), await type_(gateway, "weights", "70")
    assert first.output == "default: blue 30 %, green 70 %: set\n"
    assert again.output == "default: blue 30 %, green 70 %: unchanged\n"
    assert (await gateway.state())["weights"] == {"blue": 30, "green": 70}
    assert (await type_(gateway, "weights", "0", "--allow-unserved")).exit_code == 0
    wrong = await type_(gateway, "weights", "170")
    assert wrong.exit_code == 2
    assert "weight of blue is -70; give a whole number 0 to 100" in wrong.output


async def test_cordon_and_back(gateway: Running) -> None:
    assert (await type_(gateway, "cordon", "green")).output == "green takes no new calls\n"
    assert (await gateway.state())["cordoned"] == ["green"]
    assert (await type_(gateway, "cordon", "green", "--off")).exit_code == 0
    assert (await gateway.state())["cordoned"] == []
    stranger = await type_(gateway, "cordon", "RW_x")
    assert stranger.exit_code == 2
    assert "no worker 'RW_x' is connected" in stranger.output


async def test_drain_waits_for_the_last_call_and_no_longer(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)
    server.people = {"room": [participant("a", **{"releve.colour": "blue"})]}
    late = await type_(gateway, "drain", "blue", "--seconds", "0.3")
    assert late.exit_code == 1
    assert "blue still has calls after 0.3 s; it stays cordoned" in late.output
    waiting = asyncio.create_task(type_(gateway, "drain", "blue", "--seconds", "10"))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    server.people = {}
    assert (await waiting).output == "blue is drained\n"


async def test_watch_ends_with_the_gateway_and_says_so(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, shown, whole = asyncio.get_running_loop(), asyncio.Event(), terminal.whole

    def show(state: dict[str, Any]) -> RenderableType:
        loop.call_soon_threadsafe(shown.set)
        return whole(state)

    monkeypatch.setattr(terminal, "whole", show)
    watching = asyncio.create_task(type_(gateway, "watch"))
    await asyncio.wait_for(shown.wait(), 30)
    gateway.stop.set()
    result = await asyncio.wait_for(watching, 30)
    assert result.exit_code == 2
    assert "weight" in result.output
    assert "no gateway answers at" in result.output


@pytest.mark.parametrize("words", [["state"], ["jobs"], ["weights", "0"], ["drain", "blue"]])
def test_no_gateway_is_a_sentence_and_exit_code_two(tmp_path: Path, words: list[str]) -> None:
    result = CliRunner().invoke(cli.app, [*words, "--socket", str(tmp_path / "none")])
    assert result.exit_code == 2
    assert "no gateway answers at" in result.output
