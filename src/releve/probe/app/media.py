"""The app's two peer connections: one publishes, the other subscribes."""

from __future__ import annotations

import asyncio
import fractions
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame
from pydantic import BaseModel

from releve.probe.media import signal
from releve.probe.media.audio import FRAME_MS, OutgoingAudio


class Microphone(MediaStreamTrack):
    """The probe's voice as a track of the publisher's connection."""

    kind = "audio"

    def __init__(self, voice: OutgoingAudio) -> None:
        super().__init__()
        self._voice = voice
        self._due = time.monotonic()
        self._pts = 0

    async def recv(self) -> AudioFrame:
        """The next 20 ms, when they are due. Late frames are not made up for."""
        await asyncio.sleep(self._due - time.monotonic())
        self._due = max(self._due, time.monotonic() - FRAME_MS / 1000) + FRAME_MS / 1000
        samples = self._voice.frame()
        frame = AudioFrame.from_ndarray(samples[np.newaxis, :], format="s16", layout="mono")
        frame.sample_rate = signal.RATE
        frame.time_base = fractions.Fraction(1, signal.RATE)
        frame.pts = self._pts
        self._pts += len(samples)
        return frame


class Candidate(BaseModel):
    """An ICE candidate as browsers write it; an empty one ends the list."""

    candidate: str = ""
    sdpMid: str | None = None
    sdpMLineIndex: int | None = None


@dataclass(slots=True)
class RemoteTrack:
    """One remote audio track: its sid, when it came (monotonic), its frames with arrivals."""

    track_sid: str
    since: float
    frames: list[tuple[float, signal.Pcm]] = field(default_factory=list)


class Media:
    """Both connections of one call; `changed` is called when anything about them does.

    heard: remote audio tracks in the order in which they came. channels: labels of the data
    channels that the server opened. inbox: what came over them goes to `message`.
    """

    def __init__(
        self,
        voice: OutgoingAudio,
        message: Callable[[bytes | str], None],
        changed: Callable[[], None],
    ) -> None:
        # The server's own candidates are enough here; a STUN server out of reach costs seconds.
        self.publisher = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.subscriber = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone(voice)
        self.heard: list[RemoteTrack] = []
        self.channels: set[str] = set()
        self._message, self._changed = message, changed
        self._listening: list[asyncio.Task[None]] = []
        self._early: dict[RTCPeerConnection, list[Candidate]] = {
            self.publisher: [],
            self.subscriber: [],
        }
        self.reliable = self.publisher.createDataChannel("_reliable", ordered=True)
        self.publisher.createDataChannel("_lossy", ordered=True, maxRetransmits=0)
        for connection in (self.publisher, self.subscriber):
            connection.on("connectionstatechange", changed)
        self.reliable.on("open", changed)
        self.subscriber.on("datachannel", self._opened)
        self.subscriber.on("track", self._came)

    async def take_offer(self, sdp: str) -> str:
        """The server's offer for what we hear; returns our answer."""
        # The server's library writes no space there, and aiortc then gives tracks ids of its own.
        sdp = sdp.replace("msid-semantic:WMS*", "msid-semantic:WMS *")
        await self.subscriber.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self._late_candidates(self.subscriber)
        await self.subscriber.setLocalDescription(await self.subscriber.createAnswer())
        return self.subscriber.localDescription.sdp

    async def offer(self) -> str:
        """Our offer for what we publish."""
        self.publisher.addTrack(self.microphone)
        await self.publisher.setLocalDescription(await self.publisher.createOffer())
        # As the app's library has it; the server writes its own settings behind it, DTX above all.
        return re.sub(
            r"a=rtpmap:(\d+) opus/48000/2\r\n",
            r"\g<0>a=fmtp:\1 minptime=10;useinbandfec=1\r\n",
            self.publisher.localDescription.sdp,
        )

    async def take_answer(self, sdp: str) -> None:
        await self.publisher.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await self._late_candidates(self.publisher)

    async def take_candidate(self, connection: RTCPeerConnection, candidate: str) -> None:
        """A candidate of the server's, as its JSON; kept until it can be used."""
        found = Candidate.model_validate_json(candidate)
        if connection.remoteDescription is None:
            self._early[connection].append(found)
        else:
            await _add(connection, found)

    async def aclose(self) -> None:
        """Close both connections and end every task; safe to call twice."""
        await self.publisher.close()
        await self.subscriber.close()
        for task in self._listening:
            task.cancel()
        if self._listening:
            await asyncio.wait(self._listening)

    async def _late_candidates(self, connection: RTCPeerConnection) -> None:
        early, self._early[connection] = self._early[connection], []
        for found in early:
            await _add(connection, found)

    def _opened(self, channel: RTCDataChannel) -> None:
        self.channels.add(channel.label)
        channel.on("message", self._message)
        self._changed()

    def _came(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            heard = RemoteTrack(track.id, time.monotonic())
            self.heard.append(heard)
            self._listening.append(asyncio.create_task(_listen(track, heard)))
            self._changed()


async def _add(connection: RTCPeerConnection, found: Candidate) -> None:
    if not found.candidate:
        return
    candidate = candidate_from_sdp(found.candidate.removeprefix("candidate:"))
    candidate.sdpMid, candidate.sdpMLineIndex = found.sdpMid, found.sdpMLineIndex
    await connection.addIceCandidate(candidate)


async def _listen(track: MediaStreamTrack, heard: RemoteTrack) -> None:
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return  # the track has ended
        assert isinstance(frame, AudioFrame)
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0]
        heard.frames.append((time.monotonic(), np.asarray(samples, np.int16)))
