"""A participant that talks to the app as an agent's SDK does: text both ways, data, attributes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from livekit import rtc

from releve.probe.app.texts import TRANSCRIPTION_TOPIC
from releve.probe.caller.join import Server, ServerError, connect, join_token

TEXT_SECONDS = 5.0
IDENTITY = "text-agent"
STATE = "lk.agent.state"  # the attribute in which agents say what they do
SPEAKING = "speaking"
TEXT = "Vous m'entendez ? " * 20  # some hundred bytes, not all of them ASCII
TO_APP = ("text stream", "transcription event", "data message", "attributes")
FROM_APP = "data message sent"
WAYS = (*TO_APP, FROM_APP)

Way = tuple[str, str]


class Reader(Protocol):
    """The app, as far as it reads and writes. `open` raises ServerError."""

    identity: str
    differences: list[str]

    async def open(self) -> None:
        """Join the room, ready to read."""

    async def send(self, text: str) -> None:
        """Send a data message."""

    async def arrived(self, count: int) -> list[Way]:
        """What came, as (way, text), once it came by `count` ways or after TEXT_SECONDS."""

    async def close(self) -> None:
        """Leave."""


@dataclass(slots=True)
class Texts:
    """Texts that arrived complete, by how they were sent; and differences."""

    arrived: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    failure: str | None = None

    @property
    def missing(self) -> list[str]:
        return [way for way in WAYS if way not in self.arrived]


async def exchange(server: Server, reader: Callable[[str], Reader]) -> Texts:
    """Send everything an agent sends to the app, and something back. Takes a second or two.

    `reader` makes the app of a room's name. The room is to be one without an agent of its own:
    `server` names one that nobody has.
    """
    room_name, texts = server.new_room("text"), Texts()
    app, peer = reader(room_name), rtc.Room()
    got = asyncio.Event()

    def receive(packet: rtc.DataPacket) -> None:
        if packet.data.decode(errors="replace") == TEXT:
            got.set()

    peer.on("data_received", receive)
    wanted = {(way, SPEAKING if way == "attributes" else TEXT) for way in TO_APP}
    try:
        token = join_token(server, room_name, IDENTITY, as_agent=True)
        await connect(peer, server.url, token, subscribe=True)
        await app.open()
        await _speak(peer.local_participant, app.identity)
        await app.send(TEXT)
        came = await app.arrived(len(TO_APP))
        texts.arrived = sorted({way for way, text in came if (way, text) in wanted})
        async with asyncio.timeout(TEXT_SECONDS):
            await got.wait()
        texts.arrived.append(FROM_APP)
    except ServerError as error:
        texts.failure = str(error)
    except TimeoutError:
        pass  # what did not arrive is missing
    finally:
        await app.close()
        await peer.disconnect()
    texts.differences += app.differences
    return texts


async def _speak(peer: rtc.LocalParticipant, to: str) -> None:
    segment = rtc.TranscriptionSegment(
        id="1", text=TEXT, start_time=0, end_time=0, language="fr", final=True
    )
    await peer.set_attributes({STATE: SPEAKING})
    await peer.send_text(TEXT, topic=TRANSCRIPTION_TOPIC)
    await peer.publish_transcription(
        rtc.Transcription(participant_identity=to, track_sid="", segments=[segment])
    )
    await peer.publish_data(TEXT)
