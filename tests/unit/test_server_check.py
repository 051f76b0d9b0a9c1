"""What keeps a server from being used is a sentence that says what to change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from livekit import api

from ports import free_port
from releve.keys import Keys
from releve.probe.caller import server_check
from releve.probe.caller.join import Server, ServerError

KEYS = Keys("APItest", "s" * 40)


async def rooms(_: web.Request) -> web.Response:
    answer = api.ListRoomsResponse().SerializeToString()
    return web.Response(body=answer, content_type="application/protobuf")


async def worker(request: web.Request) -> web.StreamResponse:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = api.TokenVerifier(KEYS.api_key, KEYS.secret).verify(token)
    assert claims.video is not None and claims.video.agent
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close()
    return socket


def refuses(status: int, code: str) -> Callable[[web.Request], object]:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"code": code, "msg": "no"}, status=status)

    return answer


@asynccontextmanager
async def serving(**paths: object) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/twirp/livekit.RoomService/ListRooms", paths.get("rooms", rooms))  # type: ignore[arg-type]
    app.router.add_get("/agent", paths.get("worker", worker))  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
    try:
        yield f"ws://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_a_server_that_answers_and_lets_workers_in_can_be_used() -> None:
    async with serving() as url:
        await server_check.check(Server(url, KEYS))


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        ({"rooms": refuses(401, "unauthenticated")}, "does not know the API key APItest"),
        ({"rooms": refuses(404, "bad_route")}, "a proxy before it must lead /twirp there"),
        ({"worker": refuses(404, "x")}, r"lets no worker in \(HTTP status 404\): a proxy"),
    ],
)
async def test_what_is_in_the_way_is_said(paths: dict[str, object], sentence: str) -> None:
    async with serving(**paths) as url:
        with pytest.raises(ServerError, match=sentence) as told:
            await server_check.check(Server(url, KEYS))
    assert KEYS.secret not in str(told.value)


async def test_where_nobody_answers_server_url_is_to_be_set() -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    with pytest.raises(ServerError, match=f"nothing answers as LiveKit Server at {url}"):
        await server_check.check(Server(url, KEYS))


async def test_a_name_that_is_not_known_where_the_agent_is_is_told() -> None:
    with pytest.raises(
        ServerError, match=r"the name livekit\.invalid is not known where the agent"
    ):
        await server_check.check(Server("ws://livekit.invalid:7880", KEYS))


async def test_a_server_without_tls_is_told_from_one_that_is_not_there() -> None:
    async with serving() as url:
        with pytest.raises(ServerError, match="does not speak TLS there"):
            await server_check.check(Server(url.replace("ws:", "wss:"), KEYS))
