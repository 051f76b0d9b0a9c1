"""The admin API from the operator's side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from releve import unix_http
from releve.unix_http import Unanswered

ANSWER_SECONDS = 5.0
EVENT_SECONDS = 30.0
"""Three times what the gateway lets pass without a word to a listener."""
AGAIN_SECONDS = 0.2


class Refused(Exception):
    """The gateway did not do what was asked; the text says why and what to do."""


class Client:
    """One gateway, by its admin socket. Every method raises Refused."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """The decoded JSON answer."""
        try:
            status, content = await unix_http.ask(
                self._socket, method, path, body, seconds=ANSWER_SECONDS
            )
        except Unanswered as error:
            raise self._away(error) from error
        if status != 200:
            raise Refused(content["error"])
        return content

    async def events(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Kind and content of every event from now on, a `state` first and every 10 s."""
        try:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=EVENT_SECONDS)
            async with (
                unix_http.session(self._socket, timeout) as session,
                session.get("/events") as answer,
            ):
                if answer.status != 200:
                    raise Refused((await answer.json())["error"])
                kind = ""
                async for line in answer.content:
                    word, _, rest = line.decode().strip().partition(": ")
                    if word == "event":
                        kind = rest
                    elif word == "data":
                        yield kind, json.loads(rest)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._away(error) from error

    async def follow(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """The same, and again whenever the gateway ends it: it does so when we fall behind, and
        when it is replaced. It ends by Refused, when no gateway answers."""
        while True:
            async for kind, content in self.events():
                yield kind, content
            await asyncio.sleep(AGAIN_SECONDS)

    def _away(self, error: Exception) -> Refused:
        why = str(error) or type(error).__name__
        return Refused(
            f"no gateway answers at {self._socket} ({why}); is it running, are you root?"
        )
