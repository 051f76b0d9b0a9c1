"""A held call to an agent that echoes: chirps, their round trips, and silences."""

from __future__ import annotations

import time

from releve.probe.caller import health
from releve.probe.caller.call import Call
from releve.probe.caller.listener import Listener, Tick
from releve.probe.media import webrtc
from releve.probe.suites.held.course import News
from releve.probe.suites.held.packets import PacketWatch


class Echoing:
    def __init__(self) -> None:
        self._listener = Listener()
        self._packets = PacketWatch()

    @property
    def established(self) -> bool:
        return self._listener.echo_heard

    def prepare(self, call: Call) -> None:
        pass

    def came(self, call: Call) -> bool:
        return bool(call.audible)

    def begin_call(self, call: Call) -> None:
        self._listener.start_call()
        self._packets.begin_call()

    def over(self, call: Call) -> str | None:
        return health.dropped(call) or health.no_echo(call, self._listener)

    async def tick(self, call: Call) -> News:
        return self._news(await self._listener.tick(call)) + await self._flow(call)

    async def last(self, call: Call) -> News:
        return self._news(await self._listener.collect(call)) + await self._flow(call)

    async def close_call(self) -> None:
        pass

    def end(self) -> News:
        missing = self._packets.end(time.monotonic())
        return _all("silence", self._listener.end()) + _all("no_packets", missing)

    async def _flow(self, call: Call) -> News:
        if not call.tracks:
            return []
        return _all("no_packets", self._packets.feed(await webrtc.flow(call.tracks[-1][1])))

    def _news(self, heard: Tick) -> News:
        news: News = []
        if heard.said:
            at = round(heard.said_at, 3)
            news.append(("rtt", {"ms": heard.rtts_ms, "said": heard.said, "at": at}))
        return news + _all("silence", heard.silences_ms)


def _all(event: str, times_ms: list[float]) -> News:
    return [(event, {"ms": ms}) for ms in times_ms]
