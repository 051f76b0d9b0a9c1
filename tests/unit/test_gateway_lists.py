"""Callers that keep their colour, and rooms and callers that are listed for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from livekit.protocol import models
from typer.testing import CliRunner

from releve.gateway import cli, policy
from releve.gateway.config import AgentKey, GatewayConfig
from releve.gateway.decisions import file
from releve.gateway.policy import Rules, Weights
from releve.gateway.server import callers
from unit.gateway_running import Running, running
from unit.gateway_standin import StandInServer, participant, registered, until

Serve = Callable[..., Any]
GREEN = next(f"caller-{n}" for n in range(100) if policy.bucket(f"caller-{n}") < 50)
BLUE = next(f"caller-{n}" for n in range(100) if policy.bucket(f"caller-{n}") >= 50)


@pytest.fixture
def serve(config: GatewayConfig, server: StandInServer) -> Serve:
    """A gateway with half of the rooms for each colour, and the gateway's two workers."""

    @asynccontextmanager
    async def serving(sticky: str = "") -> AsyncIterator[tuple[Running, Callable[[], Any]]]:
        agents = {"default": AgentKey(namespace="default", sticky=sticky)}
        async with (
            running(config.model_copy(update={"agents": agents}), server) as gateway,
            registered(gateway.workers, gateway.blue) as blue,
            registered(gateway.workers, gateway.green) as green,
        ):
            await gateway.weights(50)
            yield gateway, lambda: (blue.rooms, green.rooms)

    return serving


def caller(identity: str, **attributes: str) -> models.ParticipantInfo:
    return models.ParticipantInfo(identity=identity, attributes=attributes)


async def test_a_caller_keeps_its_colour_from_room_to_room(
    serve: Serve, server: StandInServer
) -> None:
    rooms = [f"room-{number}" for number in range(8)]
    async with serve("identity") as (_, served):
        for number, room in enumerate(rooms):
            server.people[room] = [caller(GREEN if number % 2 else BLUE)]
            assert await server.dispatch(room)
        await until(lambda: sum(map(len, served())) == 8)
        assert served() == (rooms[0::2], rooms[1::2])


async def test_a_caller_is_known_by_an_attribute_and_by_the_first_who_came(
    serve: Serve, server: StandInServer
) -> None:
    first = caller("random-1", **{"sip.phoneNumber": GREEN})
    second = caller("random-2", **{"sip.phoneNumber": BLUE})
    first.joined_at_ms, second.joined_at_ms = 1, 2
    server.people["room"] = [participant("agent"), second, first]
    async with serve("sip.phoneNumber") as (_, served):
        assert await server.dispatch("room")
        await until(lambda: served() == ([], ["room"]))


async def test_a_caller_that_comes_a_moment_later_is_waited_for(
    serve: Serve, server: StandInServer
) -> None:
    async with serve("identity") as (_, served):
        asking = asyncio.create_task(server.dispatch(BLUE))  # a room of that name would be blue
        await until(lambda: server.questions["ListParticipants"] > 0)
        server.people[BLUE] = [caller(GREEN)]
        assert await asking
        await until(lambda: served() == ([], [BLUE]))


async def test_nobody_waits_long_for_a_caller_that_is_not_told(
    serve: Serve, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "WAIT_SECONDS", 0.1)
    async with serve("identity") as (_, served):
        assert await server.dispatch(GREEN)
        server.page = web.Response(text="<html>")
        assert await server.dispatch(BLUE)
        await until(lambda: served() == ([BLUE], [GREEN]))


async def test_without_either_the_server_is_not_asked(serve: Serve, server: StandInServer) -> None:
    async with serve() as (_, served):
        assert await server.dispatch(GREEN)
        await until(lambda: served() == ([], [GREEN]))
        assert server.questions["ListParticipants"] == 0


async def test_listed_rooms_and_callers_go_to_their_colour_first(
    serve: Serve, server: StandInServer
) -> None:
    server.people = {"a": [caller("tester")], "b": [caller("other")]}
    async with serve() as (gateway, served):
        await gateway.weights(0)
        _, answer = await gateway.decide(lists={"green": ["lesson", "tester"]})
        assert answer["lists"] == {"blue": [], "green": ["lesson", "tester"]}
        for room in ("lesson", "a", "b"):
            assert await server.dispatch(room)
        await until(lambda: served() == (["b"], ["lesson", "a"]))
        why = (await gateway.admin("GET", "/why?room=a"))[1]
        assert [entry["by"] for entry in why["history"]] == ["list"]
        await gateway.cordon("green")
        assert await server.dispatch("lesson")
        await until(lambda: served() == (["b", "lesson"], ["lesson", "a"]))


async def test_who_takes_all_weight_from_a_colour_ends_its_list(serve: Serve) -> None:
    async with serve() as (gateway, _):
        await gateway.decide(lists={"green": ["lesson"], "blue": ["other"]})
        assert (await gateway.weights(20))[1]["lists"]["green"] == ["lesson"]
        assert (await gateway.weights(0))[1]["lists"] == {"blue": ["other"], "green": []}
        _, answer = await gateway.decide(
            weights={"blue": 100, "green": 0}, lists={"green": ["lesson"]}
        )
        assert answer["lists"]["green"] == ["lesson"]
        assert (await gateway.weights(0))[1]["lists"]["green"] == []  # a rollback at weight 0


async def test_a_lease_that_runs_out_leaves_no_list_for_a_colour_without_weight(
    serve: Serve,
) -> None:
    async with serve() as (gateway, _):
        otherwise = {"weights": {"blue": 100, "green": 0}}
        await gateway.decide(lists={"green": ["lesson"]}, lease_seconds=1, otherwise=otherwise)
        async with asyncio.timeout(10):
            while (told := (await gateway.admin("GET", "/decisions"))[1])["by"] != "gateway":
                pass
        assert told["lists"]["green"] == []


async def test_a_name_moves_from_list_to_list_and_lists_are_kept_on_disk(
    serve: Serve, config: GatewayConfig
) -> None:
    async with serve() as (gateway, _):
        await gateway.decide(lists={"green": ["lesson"]})
        _, answer = await gateway.decide(lists={"blue": ["lesson"]})
        assert answer["lists"] == {"blue": ["lesson"], "green": []}
    kept = file.load(config.state_file, config.agents, frozenset())
    assert kept.agents["default"].listed == {"lesson": "blue"}


@pytest.mark.parametrize(
    ("lists", "sentence"),
    [
        (["lesson"], "lists is a map of colours"),
        ({"red": []}, "lists is a map of colours"),
        ({"green": "lesson"}, "each is a list of at most 500 names"),
        ({"green": ["x"] * 501}, "each is a list of at most 500 names"),
        ({"green": [7]}, "lists: a name is a text of at most 256 printable characters"),
        ({"green": ["x" * 257]}, "lists: a name is a text of at most 256 printable characters"),
        ({"green": [""]}, "lists: a name is not empty"),
        ({"green": ["a"], "blue": ["a"]}, "'a' is in both"),
    ],
)
async def test_a_wrong_list_is_a_sentence(gateway: Running, lists: Any, sentence: str) -> None:
    status, answer = await gateway.decide(lists=lists)
    assert status == 400
    assert sentence in answer["error"]


async def test_an_operator_lists_and_ends_it(gateway: Running) -> None:
    async def type_(*words: str) -> str:
        line = ["list", *words, "--socket", str(gateway.config.admin_socket)]
        result = await asyncio.to_thread(CliRunner().invoke, cli.app, line)
        assert result.exit_code == 0, result.output
        return result.output

    assert await type_("green", "lesson-7", "+4312345") == (
        "default: first to green: +4312345, lesson-7\n"
    )
    assert await type_("green") == "default: first to green: nobody\n"


def test_a_colour_on_a_list_alone_may_serve() -> None:
    rules = Rules(Weights(100, 0), fallback=frozenset(), listed={"lesson": "green"})
    assert policy.public_colours(rules) == ("blue", "green")
    assert policy.colours_for("lesson", rules) == ("green", "blue")
    assert policy.colours_for("other", rules) == ("blue",)
