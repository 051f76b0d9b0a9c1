"""Put in front of an agent's imports by the harness: its health server takes any free port.

Both SDKs bind port 8081 by default. In a container that is right; here two agents, or two test
sessions, run on one host.
"""

from __future__ import annotations

import asyncio
from typing import Any

DEFAULT_PORT = 8081
_create_server = asyncio.BaseEventLoop.create_server


async def create_server(
    loop: Any, factory: Any, host: Any = None, port: Any = None, **more: Any
) -> Any:
    if port == DEFAULT_PORT:
        port = 0
    return await _create_server(loop, factory, host, port, **more)


asyncio.BaseEventLoop.create_server = create_server  # type: ignore[method-assign]
