"""HTTP over a unix socket: one request, one connection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp


class Unanswered(Exception):
    """Nobody answers at the socket, or not in HTTP and JSON; the text says why."""


def session(socket: Path, timeout: aiohttp.ClientTimeout) -> aiohttp.ClientSession:
    """For requests to `/…`."""
    connector = aiohttp.UnixConnector(str(socket))
    return aiohttp.ClientSession("http://unix", connector=connector, timeout=timeout)


async def ask(
    socket: Path,
    method: str,
    path: str,
    body: object = None,
    query: Mapping[str, str] | None = None,
    *,
    seconds: float,
) -> tuple[int, Any]:
    """Status and content, decoded where it is JSON. Raises Unanswered."""
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            session(socket, timeout) as asking,
            asking.request(method, path, json=body, params=query) as answer,
        ):
            if answer.content_type == "text/plain":
                return answer.status, await answer.text()
            return answer.status, await answer.json()
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise Unanswered(str(error) or type(error).__name__) from error
