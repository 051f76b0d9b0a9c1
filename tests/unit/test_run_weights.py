"""What a run on the target decides at the gateway: who is admitted, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from module_utils import run
from module_utils.gateway import Gateway, GatewayError
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, registered, until

BLUE_ALONE, GREEN_ALONE = {"blue": 100, "green": 0}, {"blue": 0, "green": 100}
T = TypeVar("T")


async def on_target(gateway: Running, work: Callable[..., T], *args: Any) -> T:
    """In a thread, because the gateway runs in this one."""
    return await asyncio.to_thread(work, Gateway(str(gateway.config.admin_socket)), *args)


async def decisions(gateway: Running) -> Any:
    return (await gateway.admin("GET", "/decisions"))[1]


async def lead(gateway: Running, weights: dict[str, int]) -> None:
    """A rollout holds the weights by a lease."""
    body = {"by": "rollout", "epoch": 4, "weights": weights, "lease_seconds": 60}
    body |= {"otherwise": {"weights": BLUE_ALONE}}
    assert (await gateway.admin("PUT", "/decisions", body))[0] == 200


async def test_the_way_back_supersedes_a_rollout_and_uncordons_whoever_gets_weight(
    gateway: Running,
) -> None:
    async with (
        registered(gateway.workers, gateway.blue),
        registered(gateway.workers, gateway.green),
    ):
        await gateway.cordon("blue")
        await lead(gateway, GREEN_ALONE)
        looked, _ = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 1", True)
        assert looked["changed"] is True
        assert (await decisions(gateway))["by"] == "rollout"
        flipped, failure = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 1", False)
        assert (flipped["changed"], flipped["before"], failure) == (True, GREEN_ALONE, None)
        assert flipped["flips"] == 2
        now = await decisions(gateway)
        assert (now["weights"], now["cordons"]["blue"], now["by"]) == (
            BLUE_ALONE,
            False,
            "rollback 1",
        )
        beat = {"by": "rollout", "epoch": 4, "lease_seconds": 60}
        assert (await gateway.admin("PUT", "/decisions", beat))[0] == 409
        again, failure = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 2", False)
        assert (again["changed"], failure) == (False, None)


async def test_the_way_back_stops_a_rollout_also_where_the_weights_are_right_already(
    gateway: Running,
) -> None:
    async with registered(gateway.workers, gateway.blue):
        await lead(gateway, BLUE_ALONE)
        flipped, failure = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 1", False)
    assert (flipped["changed"], "at" in flipped, failure) == (True, False, None)
    now = await decisions(gateway)
    assert (now["by"], now["epoch"], now["lease_seconds"]) == ("rollback 1", 5, None)


async def test_the_way_back_to_a_colour_without_a_worker_says_so_and_leaves_no_room_silent(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.green) as green:
        await lead(gateway, GREEN_ALONE)
        flipped, failure = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 1", False)
        assert flipped["changed"] is True
        assert failure is not None
        assert failure.startswith("no uncordoned worker of blue is connected to the gateway")
        assert (await decisions(gateway))["weights"] == BLUE_ALONE
        assert await server.dispatch("room")
        await until(lambda: green.rooms == ["room"])
        async with registered(gateway.workers, gateway.blue) as blue:
            assert await server.dispatch("after")
            await until(lambda: blue.rooms == ["after"])
        _, failure = await on_target(gateway, run.go_back, BLUE_ALONE, "rollback 2", False)
        assert failure is not None


async def test_a_dark_release_may_be_called_and_stands_in_for_nobody(gateway: Running) -> None:
    async with registered(gateway.workers, gateway.green):
        await gateway.weights(100)
        await gateway.cordon("blue")
        args = ("green", "blue", "deploy 1")
        assert await on_target(gateway, run.admit, *args, True) is True
        assert (await decisions(gateway))["cordons"]["blue"] is True
        assert await on_target(gateway, run.admit, *args, False) is True
        now = await decisions(gateway)
        assert (now["cordons"]["blue"], now["fallback"]) == (False, ["green"])
        assert now["weights"] == GREEN_ALONE
        assert await on_target(gateway, run.admit, *args, False) is False


async def test_in_a_first_migration_there_is_nothing_to_admit(gateway: Running) -> None:
    assert await on_target(gateway, run.admit, "blue", "green", "migrate 1", False) is False


def test_a_rollback_goes_to_where_the_last_rollout_came_from(tmp_path: Path) -> None:
    path = tmp_path / "direction.json"
    assert run.direction(path) == ("blue", "green")
    path.write_text('{"from": "green", "to": "blue"}')
    assert run.direction(path) == ("green", "blue")
    path.write_text("[]")
    with pytest.raises(GatewayError, match="does not say from which colour to which"):
        run.direction(path)
