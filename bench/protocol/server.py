"""A server that speaks LiveKit's agent protocol and does nothing else, in a process of its own.

Whoever registers with the gateway's version is the way through the gateway, everybody else the
direct one; dispatches go to both in turn, so that both meet the same moments of the machine.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web
from livekit.protocol import agent as proto

from releve.gateway.auth import tokens
from releve.keys import Keys

KEYS = Keys("bench", "a-secret-that-opens-nothing-but-this-bench")
WAYS = ("direct", "gateway")
ANSWER_SECONDS = 10.0
"""The server gives up then; the gateway always answers."""
CALL_SECONDS = (1.5, 2.5)
"""Calls of one length would end in step with the dispatches, each in the middle of another."""


class LoadServer:
    """Offers jobs to whoever is registered under the public key, and assigns what is accepted."""

    def __init__(self) -> None:
        self._public: dict[str, list[web.WebSocketResponse]] = {way: [] for way in WAYS}
        self._available = asyncio.Event()
        self._numbers = itertools.count()
        self._open: set[str] = set()
        self._refused = 0
        self._token = tokens.mint_worker(KEYS)  # a job's token is as long, and signed the same way

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/agent", self._agent)
        app.router.add_get("/available", self._wait)
        app.router.add_post("/storm", self._storm)
        return app

    async def _wait(self, _request: web.Request) -> web.Response:
        """When the gateway can take a job."""
        await self._available.wait()
        return web.Response()

    async def _storm(self, request: web.Request) -> web.Response:
        """Dispatch at `rate` a second each way; {way: {job: when it was asked for}} by the
        machine's monotonic clock, in seconds. 500 when one was rejected."""
        asked = await request.json()
        rate, count = asked["rate"] * len(WAYS), int(asked["rate"] * asked["seconds"]) * len(WAYS)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        began: dict[str, dict[str, float]] = {way: {} for way in WAYS}
        for number, way in zip(range(count), itertools.cycle(WAYS), strict=False):
            await asyncio.sleep(max(0.0, begin + number / rate - loop.time()))
            if self._public[way]:
                await self._dispatch(self._public[way], began[way])
        until = loop.time() + ANSWER_SECONDS
        while self._open and loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if self._open or self._refused:
            text = f"{self._refused} dispatches were rejected, {len(self._open)} never answered"
            return web.Response(status=500, text=text)
        return web.json_response(began)

    async def _dispatch(
        self, workers: list[web.WebSocketResponse], began: dict[str, float]
    ) -> None:
        number = next(self._numbers)
        job_id = f"AJ_{number}"
        message = proto.ServerMessage()
        message.availability.job.id = job_id
        message.availability.job.room.name = f"room-{number}"
        self._open.add(job_id)
        began[job_id] = time.perf_counter()
        await random.choice(workers).send_bytes(message.SerializeToString())  # noqa: S311

    async def _agent(self, request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse(compress=False)
        await connection.prepare(request)
        first = proto.WorkerMessage.FromString(await connection.receive_bytes()).register
        reply = proto.ServerMessage()
        reply.register.worker_id = "AW"
        await connection.send_bytes(reply.SerializeToString())
        way = "gateway" if first.version.startswith("releve-") else "direct"
        public = not first.agent_name
        if public:
            self._public[way].append(connection)
        async for frame in connection:
            message = proto.WorkerMessage.FromString(frame.data)
            kind = message.WhichOneof("message")
            if kind == "availability":
                self._open.discard(message.availability.job_id)
                if message.availability.available:
                    await self._assign(connection, message.availability.job_id)
                else:
                    self._refused += 1
            elif kind == "update_worker" and public and way == "gateway":
                free = message.update_worker.status == proto.WorkerStatus.WS_AVAILABLE
                (self._available.set if free else self._available.clear)()
        if public:
            self._public[way].remove(connection)
        return connection

    async def _assign(self, connection: web.WebSocketResponse, job_id: str) -> None:
        message = proto.ServerMessage()
        message.assignment.job.id = job_id
        message.assignment.token = self._token
        await connection.send_bytes(message.SerializeToString())
        over = proto.ServerMessage(termination=proto.JobTermination(job_id=job_id))

        def hang_up() -> None:
            if not connection.closed:
                task = asyncio.ensure_future(connection.send_bytes(over.SerializeToString()))
                task.add_done_callback(lambda done: done.exception())

        lasts = random.uniform(*CALL_SECONDS)  # noqa: S311
        asyncio.get_running_loop().call_later(lasts, hang_up)


class ServerProcess:
    """The server as those see it that start it."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def available(self) -> None:
        """The gateway can take a job."""
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session,
            session.get("/available", timeout=aiohttp.ClientTimeout(30)) as answer,
        ):
            answer.raise_for_status()

    async def storm(self, rate: float, seconds: float) -> dict[str, dict[str, float]]:
        """Dispatch at that rate; when each was asked for. Raises when one was rejected."""
        body = {"rate": rate, "seconds": seconds}
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{self.port}") as session,
            session.post("/storm", json=body) as answer,
        ):
            if answer.status != 200:
                raise RuntimeError(await answer.text())
            began: dict[str, dict[str, float]] = await answer.json()
            return began


@asynccontextmanager
async def server_running() -> AsyncIterator[ServerProcess]:
    """The stand-in server, started and ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield ServerProcess(int(await asyncio.wait_for(process.stdout.readline(), 20)))
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    gc.disable()  # this process's pauses are nobody's latency
    runner = web.AppRunner(LoadServer().app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
