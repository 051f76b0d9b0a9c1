"""Bad tokens are refused by a careful server; one that lets anybody in is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from livekit.protocol import models, rtc

from releve.keys import Keys
from releve.probe.caller.bad_tokens import try_bad_tokens
from releve.probe.caller.join import Server, refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def running(handler: Handler) -> AsyncIterator[Server]:
    app = web.Application()
    app.router.add_get("/rtc", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Server(f"ws://127.0.0.1:{runner.addresses[0][1]}", Keys("key", "s" * 32))
    finally:
        await runner.cleanup()


async def careless(request: web.Request) -> web.StreamResponse:
    """Lets anybody into whatever room they ask for."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    room = models.Room(name=request.query.get("room", "any"))
    answer = rtc.SignalResponse(join=rtc.JoinResponse(room=room))
    await socket.send_bytes(answer.SerializeToString())
    await socket.receive()
    return socket


async def test_a_server_that_lets_anybody_in_is_found_out_four_times() -> None:
    async with running(careless) as server:
        found = await try_bad_tokens(server)
    assert [refusal.right for refusal in found] == [False] * 4
    assert [refusal.said for refusal in found[:3]] == ["the server let it in"] * 3
    assert found[3].said.startswith("the server let it into releve-refused-")


async def test_a_word_that_is_no_refusal_does_not_count() -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    async def forbids(request: web.Request) -> web.StreamResponse:
        return web.Response(status=403)

    async with running(broken) as server:
        assert [refusal.right for refusal in await try_bad_tokens(server)] == [False] * 4
    async with running(forbids) as server:
        assert [refusal.right for refusal in await try_bad_tokens(server)] == [True] * 4


def test_what_was_said_is_one_line_without_the_token() -> None:
    said = str(refusal("ws://server", "401 invalid token: eyJhbGciOi.J9eyJ-a.b_c\n,\n error"))
    assert "(401 invalid token: <token> , error)" in said
