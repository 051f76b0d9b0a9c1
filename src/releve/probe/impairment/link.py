"""The road of one caller to the server: it leads through here, and can be cut or lack UDP.

The caller is told that the server is at `url`. What it says there is passed on, and in the answers
the addresses for media are replaced by our own, from which relay.py takes the packets to the
server. No privilege is needed, the caller's SDK is a user's own, and no other call knows of it.

What would lead past the road is left out: TURN servers, the server's candidates of IPv6, and the
caller's own candidates, to which the server would send.
"""

from __future__ import annotations

import asyncio
import re
import socket
from types import TracebackType
from urllib.parse import urlsplit

import aiohttp
from aiohttp import WSMsgType, web
from livekit.protocol import rtc

from releve.probe.caller.join import ServerError
from releve.probe.impairment.relay import Address, Datagrams, Stream

_CANDIDATE = re.compile(
    r"(?P<head>candidate:\S+ \d+ (?P<protocol>udp|tcp) \d+) (?P<host>\S+) (?P<port>\d+)(?= typ )",
    re.IGNORECASE,
)
_LINE = re.compile(r"a=candidate:.*(?:\r\n|\n|$)")
_V6_LINE = re.compile(r"a=candidate:(?:\S+ ){4}\S*:.*(?:\r\n|\n|$)")
_SESSION = ("authorization", "user-agent")
CLOSE_SECONDS = 1.0


class Road:
    """Use it with `async with`, which may raise ServerError; then the server is found at `url`."""

    def __init__(self, server_url: str, *, media: bool = True, udp: bool = True) -> None:
        """`media`: it goes this road too, else straight to the server. `udp`: it may be UDP."""
        self.url = ""
        self._server_url = server_url.rstrip("/")
        self._media = media
        self._clear = asyncio.Event()
        self._clear.set()
        self._clear_for_udp = self._clear if udp else asyncio.Event()
        self._here = ""
        self._carriers: dict[tuple[str, Address], Datagrams | Stream] = {}
        self._signalling: set[asyncio.Transport] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Road:
        try:
            self._here = await asyncio.to_thread(_own_address, self._server_url)
        except OSError as error:
            raise ServerError(f"{self._server_url} has no IPv4 address here ({error})") from error
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._here, 0)
        await site.start()
        self.url = f"ws://{self._here}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear.set()
        self.hang_up()
        assert self._runner is not None and self._session is not None
        await self._runner.cleanup()
        await self._session.close()
        for carrier in self._carriers.values():
            carrier.close()

    def hang_up(self) -> None:
        """Cut the signalling connections off, at once and without a word; others may follow."""
        for transport in self._signalling:
            transport.abort()

    def cut(self) -> None:
        """From now on nothing passes, either way, until `mend`."""
        self._clear.clear()

    def mend(self) -> None:
        self._clear.set()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        """One request of the caller's: its signalling, or a question why that was refused."""
        assert self._session is not None
        await self._clear.wait()
        if request.transport is None or request.transport.is_closing():
            return web.Response()  # it was not for waiting any longer
        url = f"{self._server_url}{request.path_qs}"
        headers = {k: v for k, v in request.headers.items() if k.lower() in _SESSION}
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                async with self._session.ws_connect(url, headers=headers, max_msg_size=0) as back:
                    return await self._signal(request, back)
            plain = "http" + url.removeprefix("ws")
            async with self._session.get(plain, headers=headers) as answer:
                return web.Response(status=answer.status, body=await answer.read())
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status, text=error.message)
        except aiohttp.ClientConnectionError as error:
            return web.Response(status=502, text=f"the server does not answer: {error}")

    async def _signal(
        self, request: web.Request, back: aiohttp.ClientWebSocketResponse
    ) -> web.WebSocketResponse:
        front = web.WebSocketResponse(max_msg_size=0)
        await front.prepare(request)
        transport = request.transport
        assert transport is not None
        self._signalling.add(transport)
        ways = {
            asyncio.create_task(self._forth(front, back)),
            asyncio.create_task(self._home(back, front)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            self._signalling.discard(transport)
        for failed in await asyncio.gather(*ways, return_exceptions=True):
            if isinstance(failed, Exception) and not isinstance(failed, ConnectionError):
                raise failed
        await front.close()
        return front

    async def _forth(
        self, front: web.WebSocketResponse, back: aiohttp.ClientWebSocketResponse
    ) -> None:
        async for message in front:
            if message.type is not WSMsgType.BINARY:
                continue
            request = rtc.SignalRequest.FromString(message.data)
            kind = request.WhichOneof("message")
            if self._media and kind == "trickle":
                continue
            if self._media and kind in ("offer", "answer"):
                description = getattr(request, kind)
                description.sdp = _LINE.sub("", description.sdp)
            await self._clear.wait()
            await back.send_bytes(request.SerializeToString())

    async def _home(
        self, back: aiohttp.ClientWebSocketResponse, front: web.WebSocketResponse
    ) -> None:
        async for message in back:
            if message.type is not WSMsgType.BINARY:
                continue
            answer = rtc.SignalResponse.FromString(message.data)
            if self._media and not await self._lead(answer):
                continue
            await self._clear.wait()
            await front.send_bytes(answer.SerializeToString())

    async def _lead(self, answer: rtc.SignalResponse) -> bool:
        """Replace in an answer whatever would lead media past here; False when nothing is left."""
        kind = answer.WhichOneof("message")
        if kind in ("join", "reconnect"):
            del getattr(answer, kind).ice_servers[:]
        elif kind in ("offer", "answer"):
            description = getattr(answer, kind)
            description.sdp = await self._ours(_V6_LINE.sub("", description.sdp))
        elif kind == "trickle":
            found = _CANDIDATE.search(answer.trickle.candidateInit)
            if found is not None and ":" in found["host"]:
                return False
            answer.trickle.candidateInit = await self._ours(answer.trickle.candidateInit)
        return True

    async def _ours(self, text: str) -> str:
        """The text with every candidate at our address instead of its own."""
        for found in {match.group(): match for match in _CANDIDATE.finditer(text)}.values():
            target = (found["host"], int(found["port"]))
            host, port = (await self._carrier(found["protocol"].lower(), target)).address
            text = text.replace(found.group(), f"{found['head']} {host} {port}")
        return text

    async def _carrier(self, protocol: str, target: Address) -> Datagrams | Stream:
        carrier = self._carriers.get((protocol, target))
        if carrier is None and protocol == "udp":
            carrier = Datagrams(self._here, target, self._clear_for_udp)
        elif carrier is None:
            carrier = Stream(target, self._clear)
            await carrier.listen(self._here)
        assert carrier is not None
        self._carriers[protocol, target] = carrier
        return carrier


def _own_address(server_url: str) -> str:
    """Our address on the way to the server: media need one that its network can tell from others.

    Raises OSError when the server's name is not known. Sends nothing.
    """
    split = urlsplit(server_url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((split.hostname, split.port or 443))
        address: str = probe.getsockname()[0]
        return address
