"""Reads and writes texts with the client of this package."""

from __future__ import annotations

from releve.probe.app.client import Client
from releve.probe.app.peer import STATE, TEXT_SECONDS, Way
from releve.probe.caller.join import Server


class ClientReader:
    """See peer.Reader."""

    def __init__(self, server: Server, room_name: str) -> None:
        self.identity = "caller-text"
        self.differences: list[str] = []
        self._app = Client(server, room_name, self.identity)

    async def open(self) -> None:
        await self._app.open()
        await self._app.wait(lambda: "_reliable" in self._app.media.channels, TEXT_SECONDS)

    async def send(self, text: str) -> None:
        await self._app.send(text)

    async def arrived(self, count: int) -> list[Way]:
        await self._app.wait(lambda: len({way for way, _ in self._ways()}) >= count, TEXT_SECONDS)
        return self._ways()

    async def close(self) -> None:
        self.differences = self._app.inbox.differences + self._app.answers.differences
        await self._app.close()

    def _ways(self) -> list[Way]:
        states = [
            agent.attributes[STATE] for agent in self._app.agents if STATE in agent.attributes
        ]
        texts = [(text.way, text.text) for text in self._app.inbox.texts]
        return texts + [("attributes", state) for state in states]
