"""The app in a room: livekit_client 2.4.8's way of joining, publishing and leaving."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import aiohttp
from livekit.protocol import models, rtc

from releve.probe.app.answers import PROTOCOL, AnswerCheck, Expected
from releve.probe.app.media import Media
from releve.probe.app.texts import Inbox
from releve.probe.caller.call import app_finds
from releve.probe.caller.join import Server, ServerError, join_token, make_room, refusal
from releve.probe.caller.state_changes import Changes
from releve.probe.media import signal
from releve.probe.media.audio import OutgoingAudio

TRIES = 3
PAUSE_SECONDS = 2.0
CONNECT_SECONDS = 10.0  # the SDK's own patience, for each step of joining
PUBLISH_SECONDS = 10.0
SAY_SECONDS = 10.0  # the publisher's connection may still be coming up
TRACK_NAME = "microphone"
ABOUT_US = {
    "auto_subscribe": "1",
    "adaptive_stream": "1",
    "protocol": str(PROTOCOL),
    "sdk": "flutter",
    "version": "2.4.8",
    "network": "wifi",
    "os": "android",
    "os_version": "14",
    "device_model": "Pixel 7",
}


class Client:
    """One app in one room: `open` it, `wait` for states, `close` it.

    tries: how often it had to join. answers, inbox, media: what came, see there. lost: why the
    connection ended without us, or None.
    """

    def __init__(self, server: Server, room_name: str, identity: str) -> None:
        self.server, self.room_name, self.identity = server, room_name, identity
        self.bed_hertz = signal.bed_hertz(signal.seed(room_name))
        self.tries = 0
        self.opened = self.joined = 0.0
        self.lost: str | None = None
        self._voice = OutgoingAudio(self.bed_hertz)
        self._changed = Changes()
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False
        self._begin()

    def _begin(self) -> None:
        self.answers = AnswerCheck(Expected(self.room_name, self.identity, TRACK_NAME))
        self.inbox = Inbox()
        self.media = Media(self._voice, self._message, self._changed.set)

    @property
    def agents(self) -> list[models.ParticipantInfo]:
        """Participants that the app takes for agents, in the order in which they joined."""
        others = [p for p in self.answers.participants.values() if p.identity != self.identity]
        return [p for p in others if app_finds(p.identity)]

    async def open(self) -> None:
        """Join, as often as the app tries it. Raises ServerError with the last refusal."""
        self.opened = time.monotonic()
        while True:
            self.tries += 1
            try:
                await self._join()
                break
            except ServerError:
                await self._hang_up()
                if self.tries == TRIES:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
            self._begin()
            self.lost = None
        self.joined = time.monotonic()
        await self._publish()

    async def say(self, number: int) -> tuple[signal.Samples, float]:
        """Say the chirp of that number: (chirp, when it was said).

        Raises ServerError when the connection takes nothing any more.
        """
        chirp = signal.chirp(signal.seed(self.room_name, number))
        try:
            async with asyncio.timeout(SAY_SECONDS):
                return chirp, await self._voice.say(chirp)
        except TimeoutError:
            state = self.media.publisher.connectionState
            raise ServerError(
                f"the media connection for what we say is {state} and takes nothing"
            ) from None

    async def send(self, payload: str) -> None:
        """Send a data message to everybody, when the channel for it is open."""
        await self.wait(lambda: self.media.reliable.readyState == "open", CONNECT_SECONDS)
        user = models.UserPacket(payload=payload.encode())
        packet = models.DataPacket(kind=models.DataPacket.RELIABLE, user=user)
        if self.media.reliable.readyState == "open":
            self.media.reliable.send(packet.SerializeToString())

    async def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()` after some change of the state; False after `seconds`."""
        return await self._changed.until(holds, seconds)

    async def close(self) -> None:
        """Say that we leave, and leave; safe to call twice, or after a loss."""
        self._closing = True
        if self._socket is not None and not self._socket.closed:
            await self._ask(rtc.SignalRequest(leave=rtc.LeaveRequest()))
        await self._hang_up()

    async def _join(self) -> None:
        await make_room(self.server, self.room_name)
        token = join_token(self.server, self.room_name, self.identity)
        self._session = aiohttp.ClientSession()
        url = self.server.url.rstrip("/")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                self._socket = await self._session.ws_connect(
                    f"{url}/rtc", params=ABOUT_US | {"access_token": token}, max_msg_size=0
                )
        except aiohttp.WSServerHandshakeError as error:
            raise refusal(url, f"{error.status} {error.message}") from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise refusal(url, str(error) or "no answer in time") from None
        self._tasks.append(asyncio.create_task(self._read(self._socket)))
        if not await self.wait(lambda: bool(self.answers.joined or self.lost), CONNECT_SECONDS) or (
            self.lost is not None
        ):
            raise ServerError(f"{url} gave no join answer: {self.lost or 'none in time'}")
        assert self.answers.joined is not None
        self._tasks.append(asyncio.create_task(self._ping(self.answers.joined)))
        subscriber = self.media.subscriber
        states = ("connected", "failed", "closed")
        await self.wait(
            lambda: subscriber.connectionState in states or self.lost is not None, CONNECT_SECONDS
        )
        if subscriber.connectionState != "connected":
            raise ServerError(
                f"{url} let us in, and its media connection is {subscriber.connectionState} after "
                f"{CONNECT_SECONDS:.0f} s; check that its media ports are reachable from here"
            )

    async def _publish(self) -> None:
        """Publish the microphone, DTX on; what is missing of it is a difference."""
        cid = self.media.microphone.id
        self.answers.expect_track(cid)
        await self._ask(
            rtc.SignalRequest(
                add_track=rtc.AddTrackRequest(
                    cid=cid,
                    name=TRACK_NAME,
                    type=models.AUDIO,
                    source=models.MICROPHONE,
                    disable_dtx=False,
                )
            )
        )
        if await self.wait(
            lambda: self.answers.published is not None or self.lost is not None, PUBLISH_SECONDS
        ):
            sdp = await self.media.offer()
            await self._ask(rtc.SignalRequest(offer=rtc.SessionDescription(type="offer", sdp=sdp)))
        else:
            self.answers.differ("track_published", f"none in {PUBLISH_SECONDS:.0f} s")

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    await self._take(rtc.SignalResponse.FromString(message.data))
                    self._changed.set()
            self._lose(self.answers.ended or f"the server closed it ({socket.close_code})")
        except Exception as error:
            self._lose(f"an answer could not be used: {type(error).__name__} {error}")

    async def _take(self, answer: rtc.SignalResponse) -> None:
        kind = self.answers.take(answer)
        if kind == "offer":
            sdp = await self.media.take_offer(answer.offer.sdp)
            said = rtc.SessionDescription(type="answer", sdp=sdp)
            await self._ask(rtc.SignalRequest(answer=said))
        elif kind == "answer":
            await self.media.take_answer(answer.answer.sdp)
        elif kind == "trickle":
            ours = answer.trickle.target == rtc.SignalTarget.PUBLISHER
            connection = self.media.publisher if ours else self.media.subscriber
            await self.media.take_candidate(connection, answer.trickle.candidateInit)
        elif kind == "leave":
            self._lose(self.answers.ended or "no reason given")

    async def _ping(self, join: rtc.JoinResponse) -> None:
        if not 0 < join.ping_interval < join.ping_timeout:
            return  # a difference already
        while True:
            await asyncio.sleep(join.ping_interval)
            due = self.answers.counts["pong"] + 1
            await self._ask(rtc.SignalRequest(ping=int(time.time() * 1000)))
            patience = join.ping_timeout - join.ping_interval
            if not await self.wait(partial(self._ponged, due), patience):
                self.answers.differ("pong", f"none {patience} s after a ping")
                return

    def _ponged(self, times: int) -> bool:
        return self.answers.counts["pong"] >= times

    async def _ask(self, request: rtc.SignalRequest) -> None:
        assert self._socket is not None
        try:
            await self._socket.send_bytes(request.SerializeToString())
        except (ConnectionError, aiohttp.ClientError) as error:
            self._lose(f"it broke off ({error})")

    def _message(self, message: bytes | str) -> None:
        self.inbox.take(message)
        self._changed.set()

    def _lose(self, why: str) -> None:
        if not self._closing and self.lost is None:
            self.lost = why
        self._changed.set()

    async def _hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        await self.media.aclose()
