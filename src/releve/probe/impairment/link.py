"""A network link between one caller and the server, which can be cut or block UDP.

A proxy in this process: the caller connects to `url`. Signalling is forwarded to the server; in its
answers the ICE candidates are replaced by addresses of this process, where relay.py forwards the
media. It needs no privilege, the caller's SDK is unmodified, and other calls are not affected.

Paths that would bypass the link are removed: TURN servers, the server's IPv6 candidates, and the
caller's own candidates.
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
from releve.probe.impairment.relay import Address, TcpRelay, UdpRelay

_CANDIDATE = re.compile(
    r"(?P<head>candidate:\S+ \d+ (?P<protocol>udp|tcp) \d+) (?P<host>\S+) (?P<port>\d+)(?= typ )",
    re.IGNORECASE,
)
_LINE = re.compile(r"a=candidate:.*(?:\r\n|\n|$)")
_V6_LINE = re.compile(r"a=candidate:(?:\S+ ){4}\S*:.*(?:\r\n|\n|$)")
_SESSION = ("authorization", "user-agent")
CLOSE_SECONDS = 1.0


class Link:
    """An async context manager; inside it the server is reached at `url`. Raises ServerError."""

    def __init__(self, server_url: str, *, media: bool = True, udp: bool = True) -> None:
        """`media`: media pass through the link, too, else directly. `udp`: UDP is let through."""
        self.url = ""
        self._server_url = server_url.rstrip("/")
        self._media = media
        self._clear = asyncio.Event()
        self._clear.set()
        self._clear_for_udp = self._clear if udp else asyncio.Event()
        self._here = ""
        self._relays: dict[tuple[str, Address], UdpRelay | TcpRelay] = {}
        self._signalling: set[asyncio.Transport] = set()
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Link:
        try:
            self._here = await asyncio.to_thread(_own_address, self._server_url)
        except OSError as error:
            raise ServerError(f"{self._server_url} has no IPv4 address here ({error})") from error
        self._session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._forward)
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
        self.cut_signalling()
        assert self._runner is not None and self._session is not None
        await self._runner.cleanup()
        await self._session.close()
        for relay in self._relays.values():
            relay.close()

    def cut_signalling(self) -> None:
        """Abort all signalling connections without a close frame; new ones are accepted."""
        for transport in self._signalling:
            transport.abort()

    def cut(self) -> None:
        """Block all traffic in both directions until `restore`."""
        self._clear.clear()

    def restore(self) -> None:
        self._clear.set()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """Forward the signalling WebSocket, or the HTTP request that asks why it failed."""
        assert self._session is not None
        await self._clear.wait()
        if request.transport is None or request.transport.is_closing():
            return web.Response()  # the caller has given up
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
            asyncio.create_task(self._to_server(front, back)),
            asyncio.create_task(self._to_caller(back, front)),
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

    async def _to_server(
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

    async def _to_caller(
        self, back: aiohttp.ClientWebSocketResponse, front: web.WebSocketResponse
    ) -> None:
        async for message in back:
            if message.type is not WSMsgType.BINARY:
                continue
            answer = rtc.SignalResponse.FromString(message.data)
            if self._media and not await self._rewrite(answer):
                continue
            await self._clear.wait()
            await front.send_bytes(answer.SerializeToString())

    async def _rewrite(self, answer: rtc.SignalResponse) -> bool:
        """Replace candidates that would bypass the link; False if the message must be dropped."""
        kind = answer.WhichOneof("message")
        if kind in ("join", "reconnect"):
            del getattr(answer, kind).ice_servers[:]
        elif kind in ("offer", "answer"):
            description = getattr(answer, kind)
            description.sdp = await self._own_candidates(_V6_LINE.sub("", description.sdp))
        elif kind == "trickle":
            found = _CANDIDATE.search(answer.trickle.candidateInit)
            if found is not None and ":" in found["host"]:
                return False
            answer.trickle.candidateInit = await self._own_candidates(answer.trickle.candidateInit)
        return True

    async def _own_candidates(self, text: str) -> str:
        """The text with each candidate's address replaced by that of a relay to it."""
        for found in {match.group(): match for match in _CANDIDATE.finditer(text)}.values():
            target = (found["host"], int(found["port"]))
            host, port = (await self._relay(found["protocol"].lower(), target)).address
            text = text.replace(found.group(), f"{found['head']} {host} {port}")
        return text

    async def _relay(self, protocol: str, target: Address) -> UdpRelay | TcpRelay:
        relay = self._relays.get((protocol, target))
        if relay is None and protocol == "udp":
            relay = UdpRelay(self._here, target, self._clear_for_udp)
        elif relay is None:
            relay = TcpRelay(target, self._clear)
            await relay.listen(self._here)
        assert relay is not None
        self._relays[protocol, target] = relay
        return relay


def _own_address(server_url: str) -> str:
    """The local address of the route to the server.

    Raises OSError when the server's name is not known. Sends nothing.
    """
    split = urlsplit(server_url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((split.hostname, split.port or 443))
        address: str = probe.getsockname()[0]
        return address
