"""A whole gateway in the test's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from ports import free_port
from releve.gateway import app
from releve.gateway.config import AgentKey, GatewayConfig
from unit.gateway_standin import KEYS, StandInServer, until


def settings(home: Path, server: StandInServer, **more: Any) -> GatewayConfig:
    """Of a gateway on loopback, with its files in `home`; `more` are settings besides."""
    keys_file = home / "keys"
    keys_file.write_text(f"{KEYS.api_key}: {KEYS.secret}\n")
    blue, green, metrics = (free_port() for _ in range(3))
    return GatewayConfig(
        server_url=server.url,
        media_url="ws://media.example",
        keys_file=keys_file,
        state_file=home / "state",
        admin_socket=home / "admin.sock",
        agents={"default": AgentKey(namespace="default")},
        listen_host="127.0.0.1",
        ports={"blue": blue, "green": green},
        metrics_port=metrics,
        **more,
    )


class Running:
    """A gateway in this process and clients to its doors."""

    def __init__(self, config: GatewayConfig, stop: asyncio.Event) -> None:
        self.config = config
        self.stop = stop
        self.blue, self.green = config.ports["blue"], config.ports["green"]
        self.workers = aiohttp.ClientSession()
        self.plain = aiohttp.ClientSession(auto_decompress=False)
        connector = aiohttp.UnixConnector(str(config.admin_socket))
        self._admin = aiohttp.ClientSession("http://gateway", connector=connector)

    async def admin(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        async with self._admin.request(method, path, json=body) as answer:
            return answer.status, await answer.json()

    async def decide(self, agent: str = "default", **parts: Any) -> tuple[int, Any]:
        """What an operator decides: it wins, and nobody need serve the colour."""
        body = {"by": "operator", "epoch": "next", "allow_unserved": True, **parts}
        return await self.admin("PUT", f"/decisions?agent={agent}", body)

    async def weights(self, green: int, agent: str = "default") -> tuple[int, Any]:
        return await self.decide(agent, weights={"blue": 100 - green, "green": green})

    async def cordon(
        self, colour: str, wanted: bool = True, agent: str = "default"
    ) -> tuple[int, Any]:
        return await self.decide(agent, cordons={colour: wanted})

    async def raw(self, method: str, path: str, body: bytes) -> tuple[int, str]:
        async with self._admin.request(method, path, data=body) as answer:
            return answer.status, await answer.text()

    async def state(self) -> dict[str, Any]:
        return (await self.admin("GET", "/state"))[1]

    async def close(self) -> None:
        for session in (self.workers, self.plain, self._admin):
            await session.close()


@asynccontextmanager
async def running(
    config: GatewayConfig, server: StandInServer, take_over: bool = False
) -> AsyncIterator[Running]:
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop, take_over))
    await until(lambda: task.done() or len(server.connections) == 3)
    gateway = Running(config, stop)
    try:
        yield gateway
    finally:
        await gateway.close()
        stop.set()
        await asyncio.wait_for(task, 5)
