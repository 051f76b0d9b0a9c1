"""Thousands of workers that speak LiveKit's agent protocol and do nothing else."""

from __future__ import annotations

import asyncio
import random
import time
from types import TracebackType
from typing import Any, Self

import aiohttp
from livekit.protocol import agent as proto

from protocol.server import KEYS
from releve.gateway.auth import tokens

REPORT_SECONDS = 2.5
"""How often 0.7.2 reports its load."""


class LoadWorkers:
    """Workers that accept everything and report their load as 0.7.2 does."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._tasks: list[asyncio.Task[None]] = []
        self._arrived: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def connect(self, ports: list[int], count: int) -> None:
        """Register `count` workers, spread over the ports."""
        header = {"Authorization": f"Bearer {tokens.mint_worker(KEYS)}"}
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> None:
            async with gate:
                url = f"http://127.0.0.1:{ports[number % len(ports)]}/agent"
                socket_ = await self._session.ws_connect(url, headers=header)
                hello = proto.WorkerMessage(register=proto.RegisterWorkerRequest(version="bench"))
                await socket_.send_bytes(hello.SerializeToString())
                await socket_.receive_bytes()
            self._tasks.append(asyncio.create_task(self._serve(socket_)))
            self._tasks.append(asyncio.create_task(self._report(socket_)))

        await asyncio.gather(*(one(number) for number in range(count)))

    async def took(self, began: dict[str, float]) -> list[float]:
        """Milliseconds until each job was in a worker's hands. Raises when one never is."""
        async with asyncio.timeout(30):
            while any(job_id not in self._arrived for job_id in began):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return [(self._arrived[job_id] - asked) * 1000 for job_id, asked in began.items()]

    async def _serve(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in connection:
            message = proto.ServerMessage.FromString(frame.data)
            if message.HasField("availability"):
                answer = proto.WorkerMessage()
                answer.availability.job_id = message.availability.job.id
                answer.availability.available = True
                answer.availability.participant_identity = "agent"
                await connection.send_bytes(answer.SerializeToString())
            elif message.HasField("assignment"):
                self._arrived[message.assignment.job.id] = time.perf_counter()

    async def _report(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        update: Any = proto.WorkerMessage()
        update.update_worker.status = proto.WorkerStatus.WS_AVAILABLE
        await asyncio.sleep(random.uniform(0, REPORT_SECONDS))  # noqa: S311
        while True:
            update.update_worker.load = random.uniform(0.1, 0.6)  # noqa: S311
            await connection.send_bytes(update.SerializeToString())
            await asyncio.sleep(REPORT_SECONDS)
