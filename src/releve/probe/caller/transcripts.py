"""Transcription of a call: text streams of livekit-agents 1.x, and the event of older ones."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Literal

from livekit import rtc

TOPIC = "lk.transcription"

How = Literal["stream", "event"]


@dataclass(slots=True)
class Transcript:
    """Words of one speaker, as far as they are known; `at`: when they last changed, monotonic."""

    speaker: str
    how: How
    text: str
    at: float


class Transcripts:
    """Everything transcribed in a room; make it before the room is joined."""

    def __init__(self, room: rtc.Room) -> None:
        self._segments: dict[tuple[How, str], Transcript] = {}
        self._readers: set[asyncio.Task[None]] = set()
        room.on("transcription_received", self._event)
        room.register_text_stream_handler(TOPIC, self._stream)

    def since(self, when: float, how: How, speaker: str) -> str:
        """What was written of a speaker's words since `when`, by one of the two ways."""
        found = (
            said.text
            for said in self._segments.values()
            if said.at >= when and (said.how, said.speaker) == (how, speaker) and said.text
        )
        return " ".join(found)

    async def aclose(self) -> None:
        """Stop reading."""
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)

    def _event(
        self,
        segments: list[rtc.TranscriptionSegment],
        participant: rtc.Participant | None,
        _publication: object,
    ) -> None:
        for segment in segments:
            speaker = participant.identity if participant else ""
            self._keep("event", segment.id, speaker, segment.text)

    def _stream(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        task = asyncio.create_task(self._read(reader, speaker))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read(self, reader: rtc.TextStreamReader, speaker: str) -> None:
        # A speaker's own words come in whole, once for each correction; an agent's in pieces.
        segment = (reader.info.attributes or {}).get("lk.segment_id", reader.info.stream_id)
        text = ""
        async for piece in reader:
            text += piece
            self._keep("stream", segment, speaker, text)

    def _keep(self, how: How, segment: str, speaker: str, text: str) -> None:
        self._segments[how, segment] = Transcript(speaker, how, text, time.monotonic())


def plain(text: str) -> str:
    """Words alone, for comparing: no case, no punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))
