"""Everything that is not a worker goes on to the server unchanged.

During adoption an agent's job process may open its signalling while the detour rule stands; it
then speaks to the server through here for the length of that call.
"""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import WSCloseCode, WSMsgType, web
from multidict import CIMultiDict
from yarl import URL

HOP_BY_HOP = {
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
ADDED_BY_US = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
WEBSOCKET = {
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
}


MAX_FRAME_BYTES = 1 << 24
"""Signalling is text and session descriptions; media and data take another way."""


def _headers(request: web.Request) -> CIMultiDict[str]:
    dropped = HOP_BY_HOP | WEBSOCKET
    return CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in dropped)


class ReverseProxy:
    """A reverse proxy to one server."""

    def __init__(self, session: aiohttp.ClientSession, server_url: str) -> None:
        self._session = session
        self._ws_url = server_url
        self._http_url = "http" + server_url.removeprefix("ws")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Proxy one request; 502 when the server cannot be reached."""
        if not request.raw_path.startswith("/"):  # a whole URL would name a server of its own
            return web.Response(status=400, text="ask for a path")
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._socket(request)
            return await self._plain(request)
        except aiohttp.WSServerHandshakeError as error:
            return web.Response(status=error.status, text=error.message)
        except aiohttp.ClientConnectionError as error:
            return web.Response(status=502, text=f"the LiveKit server does not answer: {error}")

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            URL(self._http_url + request.raw_path, encoded=True),
            headers=_headers(request),
            skip_auto_headers=ADDED_BY_US,
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        protocols = request.headers.get("Sec-WebSocket-Protocol", "")
        offered = [item.strip() for item in protocols.split(",") if item.strip()]
        async with self._session.ws_connect(
            URL(self._ws_url + request.raw_path, encoded=True),
            headers=_headers(request),
            protocols=offered,
            max_msg_size=MAX_FRAME_BYTES,
        ) as server:
            client = web.WebSocketResponse(
                protocols=[server.protocol] if server.protocol else (),
                max_msg_size=MAX_FRAME_BYTES,
            )
            await client.prepare(request)
            ways = [
                asyncio.create_task(_pump(client, server)),
                asyncio.create_task(_pump(server, client)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                await client.close()
            return client


Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def _pump(source: Socket, sink: Socket) -> None:
    async for frame in source:
        if frame.type is WSMsgType.BINARY:
            await sink.send_bytes(frame.data)
        elif frame.type is WSMsgType.TEXT:
            await sink.send_str(frame.data)
    code = source.close_code or WSCloseCode.OK
    if code == WSCloseCode.ABNORMAL_CLOSURE:  # means "no close frame": it may not travel in one
        code = WSCloseCode.GOING_AWAY
    await sink.close(code=code)
