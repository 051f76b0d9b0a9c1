"""Text streams and data as the app receives them, reassembled from data packets. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field

from livekit.protocol import models

TRANSCRIPTION_TOPIC = "lk.transcription"


@dataclass(frozen=True, slots=True)
class Text:
    """A text received by the app: how it was sent, by whom, and its content."""

    way: str
    sender: str
    text: str


@dataclass(slots=True)
class _Stream:
    topic: str
    sender: str
    length: int | None
    parts: list[bytes] = field(default_factory=list)


class Inbox:
    """Takes data packets in order.

    texts: transcriptions of both kinds, and data messages (way "text stream", "transcription
    event", "data message"). differences: a sentence for each packet the app could not use.
    """

    def __init__(self) -> None:
        self.texts: list[Text] = []
        self.differences: list[str] = []
        self._streams: dict[str, _Stream] = {}

    def take(self, message: bytes | str) -> None:
        """One message of a data channel."""
        if isinstance(message, str):
            self.differences.append("data channel: a text message, packets are binary")
            return
        packet = models.DataPacket.FromString(message)
        match packet.WhichOneof("value"):
            case "user":
                sender = packet.participant_identity or packet.user.participant_identity
                self._got("data message", sender, packet.user.payload)
            case "transcription":
                said = "".join(segment.text for segment in packet.transcription.segments)
                sender = packet.transcription.transcribed_participant_identity
                self._got("transcription event", sender, said.encode())
            case "stream_header":
                self._begin(packet)
            case "stream_chunk":
                self._go_on(packet.stream_chunk)
            case "stream_trailer":
                self._end(packet.stream_trailer.stream_id)

    def _got(self, way: str, sender: str, text: bytes) -> None:
        self.texts.append(Text(way, sender, text.decode(errors="replace")))

    def _begin(self, packet: models.DataPacket) -> None:
        header = packet.stream_header
        length = header.total_length if header.HasField("total_length") else None
        self._streams[header.stream_id] = _Stream(header.topic, packet.participant_identity, length)

    def _go_on(self, chunk: models.DataStream.Chunk) -> None:
        stream = self._streams.get(chunk.stream_id)
        if stream is None:
            self.differences.append(f"text stream: a piece of {chunk.stream_id}, which never began")
        elif chunk.chunk_index != len(stream.parts):
            self.differences.append(
                f"text stream: piece {chunk.chunk_index} where {len(stream.parts)} was due"
            )
        else:
            stream.parts.append(chunk.content)

    def _end(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            self.differences.append(f"text stream: the end of {stream_id}, which never began")
            return
        text = b"".join(stream.parts)
        if stream.length is not None and stream.length != len(text):
            self.differences.append(
                f"text stream: {len(text)} bytes came, {stream.length} were announced"
            )
        elif stream.topic == TRANSCRIPTION_TOPIC:
            self._got("text stream", stream.sender, text)
