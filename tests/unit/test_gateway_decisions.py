"""Decisions through the gateway's real socket: who wins, what holds after a lease, what is kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from releve.gateway.config import GatewayConfig
from releve.gateway.decisions import file, in_force
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, registered, until

ROLLOUT = "rollout 20261130T132218Z-migrate-9f3c"
BLUE_ALONE, GREEN_ALONE = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
CANARY = {"blue": 75, "green": 25}
BACK = {"weights": BLUE_ALONE}


class Clock:
    """The module `time` for leases alone: its monotonic clock may be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (in_force, file):
        monkeypatch.setattr(module, "time", clock)
    return clock


async def put(gateway: Running, **fields: Any) -> tuple[int, Any]:
    return await gateway.admin("PUT", "/decisions", {"by": ROLLOUT, **fields})


async def get(gateway: Running) -> Any:
    return (await gateway.admin("GET", "/decisions"))[1]


async def epoch_reached(gateway: Running, epoch: int) -> Any:
    async with asyncio.timeout(30):
        while (now := await get(gateway))["epoch"] < epoch:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return now


@pytest.fixture
async def both(gateway: Running) -> AsyncIterator[Running]:
    """A gateway with a worker of each colour."""
    async with (
        registered(gateway.workers, gateway.blue, "blue"),
        registered(gateway.workers, gateway.green, "green"),
    ):
        yield gateway


async def test_before_anybody_has_decided(gateway: Running) -> None:
    assert await get(gateway) == {
        "agent": "default",
        "weights": BLUE_ALONE,
        "cordons": {"blue": False, "green": False},
        "fallback": ["blue"],
        "lists": {"blue": [], "green": []},
        "epoch": 0,
        "by": "",
        "why": "",
        "decided": None,
        "lease_seconds": None,
        "remaining_seconds": None,
        "otherwise": None,
        "serving": [],
    }


async def test_a_decision_is_answered_and_told_as_the_contract_says(both: Running) -> None:
    status, answer = await put(
        both, epoch=1, why="step 2", weights=CANARY, lease_seconds=15, otherwise=BACK
    )
    assert status == 200, answer
    assert answer.pop("ms") >= 0
    assert answer.pop("changed") is True
    assert 0 < answer.pop("remaining_seconds") <= 15
    assert answer.pop("decided").endswith("Z")
    assert answer == {
        "agent": "default",
        "weights": CANARY,
        "cordons": {"blue": False, "green": False},
        "fallback": ["blue"],
        "lists": {"blue": [], "green": []},
        "epoch": 1,
        "by": ROLLOUT,
        "why": "step 2",
        "lease_seconds": 15.0,
        "otherwise": {
            "weights": BLUE_ALONE,
            "cordons": {"blue": False, "green": False},
            "fallback": ["blue"],
        },
        "serving": ["blue", "green"],
    }
    now = await get(both)
    assert {name: now[name] for name in answer} == answer
    state = await both.state()
    assert (state["agents"]["default"]["epoch"], state["agents"]["default"]["by"]) == (1, ROLLOUT)


async def test_an_operator_wins_and_the_rollout_hears_who_has_decided(both: Running) -> None:
    assert (await put(both, epoch=1, weights=CANARY, lease_seconds=15, otherwise=BACK))[0] == 200
    assert (await both.weights(0))[1]["epoch"] == 2
    status, answer = await put(both, epoch=1, weights=GREEN_ALONE, lease_seconds=15)
    assert status == 409
    assert answer.pop("decided") in answer["error"]
    assert answer.pop("error").startswith("epoch 1 is superseded: epoch 2 is in force, decided by")
    assert answer == {"reason": "superseded", "epoch": 2, "by": "operator", "why": ""}
    now = await get(both)
    assert (now["weights"], now["lease_seconds"]) == (BLUE_ALONE, None)


async def test_of_two_that_take_the_same_epoch_one_wins(both: Running) -> None:
    bodies = [{"by": f"rollout {n}", "epoch": 1, "weights": CANARY} for n in range(8)]
    answers = await asyncio.gather(*(both.admin("PUT", "/decisions", body) for body in bodies))
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    holder = (await get(both))["by"]
    assert {answer["by"] for _, answer in answers} == {holder}


async def test_every_operator_at_once_gets_an_epoch_of_its_own(both: Running) -> None:
    answers = await asyncio.gather(*(both.weights(green) for green in range(10)))
    assert sorted(answer["epoch"] for _, answer in answers) == list(range(1, 11))
    last = max(answers, key=lambda answer: answer[1]["epoch"])[1]
    assert (await get(both))["weights"] == last["weights"]


async def test_weight_needs_a_worker_that_takes_calls(
    gateway: Running, server: StandInServer
) -> None:
    async def refused() -> bool:
        status, answer = await put(gateway, epoch="next", weights=GREEN_ALONE)
        assert (status, answer["reason"], answer["colours"]) == (409, "unserved", ["green"])
        assert "green would get weight, and no uncordoned worker" in answer["error"]
        return (await get(gateway))["weights"] == BLUE_ALONE

    assert await refused()
    async with registered(gateway.workers, gateway.green) as green:
        await gateway.admin("PUT", f"/workers/{green.id}/cordon", {"cordoned": True})
        assert await refused()
        await gateway.admin("PUT", f"/workers/{green.id}/cordon", {"cordoned": False})
        assert (await gateway.cordon("green"))[0] == 200
        assert await refused()
        wanted = {"weights": GREEN_ALONE, "cordons": {"green": False}}
        assert (await put(gateway, epoch="next", **wanted))[0] == 200
        assert await server.dispatch("room")
        await until(lambda: green.rooms == ["room"])
    assert (await put(gateway, epoch="next", weights=BLUE_ALONE, allow_unserved=True))[0] == 200


async def test_a_lease_that_is_not_renewed_brings_blue_back(
    both: Running, server: StandInServer, clock: Clock
) -> None:
    assert (await put(both, epoch=1, weights=GREEN_ALONE, lease_seconds=15, otherwise=BACK))[
        0
    ] == 200
    clock.ahead = 10
    assert (await put(both, epoch=1, lease_seconds=15))[1]["changed"] is False
    clock.ahead = 24
    assert (await get(both))["weights"] == GREEN_ALONE
    clock.ahead = 26
    now = await epoch_reached(both, 2)
    assert (now["weights"], now["by"], now["otherwise"]) == (BLUE_ALONE, "gateway", None)
    assert now["why"] == f"the lease of epoch 1 ({ROLLOUT}) ran out"
    status, answer = await put(both, epoch=1, lease_seconds=15)
    assert (status, answer["reason"], answer["by"]) == (409, "superseded", "gateway")


async def test_the_gateway_ends_a_lease_without_being_asked(both: Running, clock: Clock) -> None:
    await put(both, epoch=1, weights=GREEN_ALONE, lease_seconds=15, otherwise=BACK)
    async with both.plain.get(f"http://127.0.0.1:{both.config.metrics_port}/events") as events:
        clock.ahead = 16
        async with asyncio.timeout(30):
            async for line in events.content:
                if line.startswith(b"data: ") and b'"by": "gateway"' in line:
                    break
    assert json.loads(both.config.state_file.read_text())["agents"]["default"]["epoch"] == 2


async def test_a_lease_that_ends_while_the_disk_is_full_ends_nevertheless(
    both: Running, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(both, epoch=1, weights=GREEN_ALONE, lease_seconds=15, otherwise=BACK)

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file, "save", disk_full)
    clock.ahead = 16
    assert (await epoch_reached(both, 2))["weights"] == BLUE_ALONE


async def test_after_a_lease_whoever_is_there_steps_in(
    gateway: Running, server: StandInServer, clock: Clock
) -> None:
    """Blue is to have everything again and is not there: green goes on, no room is silent."""
    async with registered(gateway.workers, gateway.green) as green:
        await put(gateway, epoch=1, weights=GREEN_ALONE, lease_seconds=15, otherwise=BACK)
        clock.ahead = 16
        now = await epoch_reached(gateway, 2)
        assert (now["weights"], now["fallback"]) == (BLUE_ALONE, ["blue", "green"])
        assert await server.dispatch("room")
        async with registered(gateway.workers, gateway.blue) as blue:
            assert await server.dispatch("after")
            await until(lambda: (green.rooms, blue.rooms) == (["room"], ["after"]))


@pytest.mark.parametrize("ran_out", [False, True])
async def test_a_lease_lives_over_a_restart_or_ends_at_it(
    config: GatewayConfig, server: StandInServer, clock: Clock, ran_out: bool
) -> None:
    async with running(config, server) as gateway:
        fields = {"weights": CANARY, "allow_unserved": True}
        await put(gateway, epoch=7, lease_seconds=15, otherwise=BACK, **fields)
    await until(lambda: all(item.closed for item in server.connections.values()))
    server.connections.clear()
    clock.ahead = 16 if ran_out else 10
    async with running(config, server) as gateway:
        now = await get(gateway)
        if ran_out:
            assert (now["epoch"], now["by"], now["weights"]) == (8, "gateway", BLUE_ALONE)
        else:
            assert (now["epoch"], now["by"], now["weights"]) == (7, ROLLOUT, CANARY)
            assert now["otherwise"]["weights"] == BLUE_ALONE
            assert 0 < now["remaining_seconds"] <= 5
            assert (await put(gateway, epoch=7, lease_seconds=15))[0] == 200


async def test_a_lease_that_ran_out_is_over_before_any_worker_is_let_in(
    config: GatewayConfig, server: StandInServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(config, server) as gateway:
        fields = {"weights": GREEN_ALONE, "allow_unserved": True}
        await put(gateway, epoch=1, lease_seconds=15, otherwise=BACK, **fields)
    await until(lambda: all(item.closed for item in server.connections.values()))
    server.connections.clear()
    clock.ahead = 16
    monkeypatch.setattr(in_force.Rulebook, "run", lambda _self: asyncio.Event().wait())
    async with running(config, server) as gateway:
        assert (await gateway.state())["weights"] == BLUE_ALONE


async def test_a_gateway_that_is_relieved_loses_no_decision(
    config: GatewayConfig, server: StandInServer
) -> None:
    """As the role does it: the relief has a socket of its own and has read the file already."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(config, server))
        await first.weights(100)
        server.connections.clear()
        relief = config.model_copy(
            update={"admin_socket": config.admin_socket.with_name("relief.sock")}
        )
        second = await stack.enter_async_context(running(relief, server, take_over=True))
        assert (await get(second))["weights"] == GREEN_ALONE
        assert (await first.weights(0))[0] == 200
        assert (await first.cordon("green"))[0] == 200
        first.stop.set()
        now = await get(second)
        assert (now["weights"], now["cordons"]["green"]) == (BLUE_ALONE, True)
        await epoch_reached(second, 3)
        # And the other way round, as long as both are there.
        assert (await second.weights(50))[1]["epoch"] == 4


async def test_a_relief_that_nobody_asks_follows_too(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running(config, server))
        server.connections.clear()
        relief = config.model_copy(
            update={"admin_socket": config.admin_socket.with_name("relief.sock")}
        )
        second = await stack.enter_async_context(running(relief, server, take_over=True))
        assert (await first.cordon("blue"))[0] == 200
        async with asyncio.timeout(30):
            while (await second.state())["cordoned"] != ["blue"]:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


async def test_a_gateway_that_cannot_lock_the_file_says_when_to_ask_again(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "LOCK_SECONDS", 0.0)
    with file.locked(gateway.config.state_file):
        async with gateway._admin.put("/decisions", json={"by": "me", "epoch": "next"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert (await answer.json())["reason"] == "busy"
    assert (await gateway.decide())[0] == 200


async def test_a_file_that_somebody_damaged_is_written_anew(gateway: Running) -> None:
    await gateway.weights(30)
    gateway.config.state_file.write_text("{")
    assert (await gateway.cordon("green"))[0] == 200
    agent = json.loads(gateway.config.state_file.read_text())["agents"]["default"]
    assert (agent["weights"], agent["cordoned"]) == ({"blue": 70, "green": 30}, ["green"])
