"""A caller's link: it carries what passes, holds what does not, and leads media through itself."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from livekit.protocol import rtc

from releve.probe.caller.join import ServerError
from releve.probe.impairment.link import Link
from releve.probe.impairment.relay import Address, TcpRelay, UdpRelay

PATIENCE = 10.0


def clear(passes: bool = True) -> asyncio.Event:
    event = asyncio.Event()
    if passes:
        event.set()
    return event


class Peer(asyncio.DatagramProtocol):
    """A UDP port that keeps what comes, and answers `echo …` when asked to."""

    def __init__(self, answers: bool = False) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, sender: Address) -> None:
        self.came.put_nowait(data)
        if self._answers:
            self.transport.sendto(b"echo " + data, sender)

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.came.get(), PATIENCE)


async def peer(answers: bool = False, to: Address | None = None) -> tuple[Peer, Address]:
    here = ("127.0.0.1", 0) if to is None else None
    loop = asyncio.get_running_loop()
    transport, found = await loop.create_datagram_endpoint(
        lambda: Peer(answers), local_addr=here, remote_addr=to
    )
    return found, transport.get_extra_info("sockname")


async def test_each_writer_has_its_own_answers_and_nothing_passes_meanwhile() -> None:
    server, target = await peer(answers=True)
    passes = clear()
    carried = UdpRelay("127.0.0.1", target, passes)
    one, _ = await peer(to=carried.address)
    two, _ = await peer(to=carried.address)
    one.transport.sendto(b"1")
    two.transport.sendto(b"2")
    assert (await one.next(), await two.next()) == (b"echo 1", b"echo 2")

    passes.clear()
    one.transport.sendto(b"lost")
    # What it sends when the link is clear again comes behind: had the first passed, it came first.
    await asyncio.sleep(0.05)
    passes.set()
    one.transport.sendto(b"3")
    assert await one.next() == b"echo 3"
    assert {await server.next() for _ in range(3)} == {b"1", b"2", b"3"}
    carried.close()


async def test_bytes_wait_while_nothing_passes_and_an_end_is_passed_on() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(b"echo " + data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    passes = clear(False)
    carried = TcpRelay(server.sockets[0].getsockname(), passes)
    await carried.listen("127.0.0.1")
    reader, writer = await asyncio.open_connection(*carried.address)
    writer.write(b"kept")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.1)
    passes.set()
    assert await asyncio.wait_for(reader.read(100), PATIENCE) == b"echo kept"
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(100), PATIENCE) == b""
    carried.close()
    server.close()


class LiveKit:
    """As much of a server as a link sees: it says what it was told to, and keeps what it hears."""

    def __init__(self, *answers: rtc.SignalResponse) -> None:
        self.answers = answers
        self.heard: asyncio.Queue[rtc.SignalRequest] = asyncio.Queue()
        self.asked: list[str] = []

    async def signal(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if request.query.get("access_token") != "good":
            return web.Response(status=401, text="invalid token")
        if request.path != "/rtc":
            return web.Response(text="success")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for answer in self.answers:
            await socket.send_bytes(answer.SerializeToString())
        async for message in socket:
            self.heard.put_nowait(rtc.SignalRequest.FromString(message.data))
        return socket

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.signal)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def answers(udp: Address, tcp: Address) -> list[rtc.SignalResponse]:
    """A join with TURN, an offer with two candidates in it, and two that come later."""
    joined = rtc.JoinResponse(ice_servers=[rtc.ICEServer(urls=["turn:turn.example:3478"])])
    ends = f"{tcp[0]} {tcp[1]} typ host tcptype passive"
    sdp = f"v=0\r\na=candidate:1 1 tcp 9 {ends}\r\na=candidate:2 1 udp 8 ::1 9 typ host\r\n"
    ends = [f"6 ::1 {udp[1]}", f"7 {udp[0]} {udp[1]}"]
    late = [json.dumps({"candidate": f"candidate:3 1 udp {end} typ host"}) for end in ends]
    return [
        rtc.SignalResponse(join=joined),
        rtc.SignalResponse(offer=rtc.SessionDescription(type="offer", sdp=sdp)),
        *(rtc.SignalResponse(trickle=rtc.TrickleRequest(candidateInit=each)) for each in late),
    ]


async def said(socket: aiohttp.ClientWebSocketResponse) -> rtc.SignalResponse:
    return rtc.SignalResponse.FromString(await socket.receive_bytes(timeout=PATIENCE))


def place(candidate: str) -> Address:
    words = candidate.split()
    return words[4], int(words[5])


async def test_media_is_led_through_the_road_and_nothing_leads_past_it() -> None:
    media, udp = await peer(answers=True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tcp = listening.getsockname()
        server = LiveKit(*answers(udp, tcp))
        async with (
            server.running() as url,
            Link(url) as link,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{link.url}/rtc?access_token=good") as caller,
        ):
            assert not (await said(caller)).join.ice_servers
            _, line = (await said(caller)).offer.sdp.splitlines()
            ours = place(line)
            assert ours != tcp
            assert line.endswith("typ host tcptype passive")
            with socket.create_connection(ours):
                await asyncio.to_thread(listening.accept)

            found, _ = await peer(
                to=place(json.loads((await said(caller)).trickle.candidateInit)["candidate"])
            )
            found.transport.sendto(b"1")
            assert await found.next() == b"echo 1"
            assert await media.next() == b"1"

            mine = rtc.TrickleRequest(candidateInit=json.dumps({"candidate": "candidate:4"}))
            await caller.send_bytes(rtc.SignalRequest(trickle=mine).SerializeToString())
            sdp = "v=0\r\na=candidate:5 1 udp 9 192.0.2.1 9 typ host\r\nm=audio\r\n"
            answer = rtc.SessionDescription(type="answer", sdp=sdp)
            await caller.send_bytes(rtc.SignalRequest(answer=answer).SerializeToString())
            heard = await asyncio.wait_for(server.heard.get(), PATIENCE)
            assert heard.answer.sdp == "v=0\r\nm=audio\r\n"


async def test_without_udp_nothing_sent_by_it_arrives() -> None:
    media, udp = await peer(answers=True)
    server = LiveKit(*answers(udp, udp))
    async with (
        server.running() as url,
        Link(url, udp=False) as link,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{link.url}/rtc?access_token=good") as caller,
    ):
        _, _, trickle = [await said(caller) for _ in range(3)]
        found, _ = await peer(to=place(json.loads(trickle.trickle.candidateInit)["candidate"]))
        found.transport.sendto(b"1")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(media.came.get(), 0.2)


async def test_signalling_that_is_cut_off_may_come_again_and_waits_while_nothing_passes() -> None:
    server = LiveKit(*answers(("192.0.2.1", 9), ("192.0.2.1", 9)))
    async with (
        server.running() as url,
        Link(url, media=False) as link,
        aiohttp.ClientSession() as session,
    ):
        asked = f"{link.url}/rtc?access_token=good"
        async with session.ws_connect(asked) as caller:
            assert [await said(caller) for _ in server.answers] == list(server.answers)
            link.cut_signalling()
            assert (await caller.receive(PATIENCE)).type in (
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            )
        link.cut()
        again = asyncio.create_task(session.ws_connect(asked))
        await asyncio.sleep(0.1)
        assert len(server.asked) == 1
        link.restore()
        async with await again as caller:
            await said(caller)
        assert server.asked == ["/rtc?access_token=good"] * 2


async def test_a_refusal_is_the_servers_own_word_for_word() -> None:
    async with (
        LiveKit().running() as url,
        Link(url) as link,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{link.url}/rtc?access_token=bad")
        assert refused.value.status == 401
        where = "http" + link.url.removeprefix("ws")
        async with session.get(f"{where}/rtc/validate?access_token=bad") as answer:
            assert (answer.status, await answer.text()) == (401, "invalid token")
        async with session.get(f"{where}/rtc/validate?access_token=good") as answer:
            assert await answer.text() == "success"


async def test_a_server_whose_name_leads_nowhere_is_a_sentence() -> None:
    with pytest.raises(ServerError, match=r"ws://nowhere\.invalid has no IPv4 address here"):
        async with Link("ws://nowhere.invalid/"):
            pytest.fail("there is no link to it")
