"""Speech services that fail when a test says so: a proxy before the demo's."""

from __future__ import annotations

import asyncio
from typing import Literal

import aiohttp
from aiohttp import web

Fault = Literal["down", "slow", "rubbish"]


class FaultyServices:
    """Forwards to `url`; `faults` says what becomes of requests whose path holds a word."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.faults: dict[str, Fault] = {}
        self._runner: web.AppRunner | None = None
        self._ended = asyncio.Event()

    async def start(self, port: int = 0) -> int:
        """Listen on 127.0.0.1, on a port of the kernel's choice where it is 0; returns the port."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/v1/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        listening: int = self._runner.addresses[0][1]
        return listening

    async def stop(self) -> None:
        self._ended.set()
        assert self._runner is not None
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        fault = next((what for word, what in self.faults.items() if word in path), None)
        if fault == "slow":
            await self._ended.wait()
        if fault in ("slow", "down"):
            if request.transport is not None:  # else the client has given up before us
                request.transport.close()
            return web.Response()
        if fault == "rubbish":
            return web.Response(text="<html>It works!</html>", content_type="text/html")
        headers = {"Content-Type": request.headers.get("Content-Type", "text/plain")}
        async with (
            aiohttp.ClientSession() as client,
            client.request(
                request.method, f"{self._url}/{path}", data=await request.read(), headers=headers
            ) as answer,
        ):
            body = await answer.read()
            kind = answer.headers["Content-Type"]
            return web.Response(status=answer.status, body=body, headers={"Content-Type": kind})
