"""One synthetic call: a caller in a room that tracks agents, sends and receives audio."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livekit import rtc

from releve.probe.caller.join import Server, connect, join_token, make_room
from releve.probe.caller.state_changes import Changes
from releve.probe.media import signal, webrtc
from releve.probe.media.audio import FRAME_MS as MIC_MS
from releve.probe.media.audio import AudioSink, Microphone
from releve.probe.media.speaker import Speaker

CLOSE_SECONDS = 3.0


class EventListener(Protocol):
    """Called when an agent joins or leaves."""

    def __call__(self, event: str, **fields: object) -> None: ...


@dataclass(slots=True)
class Agent:
    """An agent participant's stay, in monotonic seconds."""

    identity: str
    joined: float
    audio: float | None = None
    """When its audio track was seen published."""
    heard: float | None = None
    """When we were subscribed to its audio track."""
    left: float | None = None


class Call:
    """A caller in one room: `open` it, `wait` for states, `close` it.

    room: the SDK's, for whatever else a suite attends to. present: agents in the room now, by
    identity. seen: every agent that ever was in it. most_present: the most agents at one instant.
    tracks: the agents' audio tracks that we are subscribed to, with the agent's identity; sinks: of
    those that are received frame by frame. subscribed: somebody is subscribed to our track.
    reconnecting: the SDK has lost the server and is trying to come back; steady_since: when it last
    did. lost: why the connection ended without us, or None.
    """

    def __init__(
        self,
        server: Server,
        room_name: str,
        *,
        identity: str | None = None,
        frame_ms: int = 10,
        mic_ms: int = MIC_MS,
        keep_seconds: float = 60.0,
        bed: bool = True,
        relay: bool = False,
        sparing: bool = False,
        tell: EventListener = lambda event, **fields: None,
    ) -> None:
        """`frame_ms`: length of received frames; `keep_seconds`: how much of them is kept.

        `mic_ms`: length of the frames that are sent.
        `bed`: the microphone sends a quiet tone all the time; people do not.
        `relay`: media by the server's TURN servers only.
        `sparing`: only what we `speak` is sent, and frames are received only from `listen` to
        `stop_listening`: it costs less to hold such a call for long.
        `tell` is called with "agent" and "agent_left" (identity), "two_agents" (identities) and
        "reconnecting" as they happen, with the fields of the sentinels' record.
        """
        self.server = server
        self.identity = identity or f"caller-{secrets.token_hex(4)}"
        self.room_name = room_name
        self.bed_hertz = signal.bed_hertz(signal.seed(room_name))
        self.room = rtc.Room()
        self.present: dict[str, Agent] = {}
        self.seen: list[Agent] = []
        self.tracks: list[tuple[str, rtc.RemoteAudioTrack]] = []
        self.sinks: list[tuple[str, AudioSink]] = []
        self.subscribed = False
        self.most_present = 0
        self.reconnecting = False
        self.steady_since = 0.0
        self.lost: str | None = None
        self.opened = self.connected = 0.0
        self._tell = tell
        self._frame_ms, self._mic_ms, self._keep_seconds = frame_ms, mic_ms, keep_seconds
        self._bed, self._relay, self._sparing = bed, relay, sparing
        self._changed = Changes()
        self._mic: Microphone | Speaker | None = None
        self._talking: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def audible(self) -> list[Agent]:
        """Agents in the room with a published audio track."""
        return [agent for agent in self.present.values() if agent.audio is not None]

    async def open(self, *, talk: bool = True) -> None:
        """Join and publish the microphone, or only watch the room (no media, hardly any cost).

        Raises ServerError when the server does not let us in.
        """
        self.opened = time.monotonic()
        self._subscribe_events()
        await make_room(self.server, self.room_name)
        token = join_token(self.server, self.room_name, self.identity)
        await connect(self.room, self.server.url, token, subscribe=talk, relay=self._relay)
        self.connected = time.monotonic()
        for participant in self.room.remote_participants.values():
            self._joined(participant)
            for publication in participant.track_publications.values():
                self._published(publication, participant)
        if talk:
            bed = self.bed_hertz if self._bed else None
            self._mic = Speaker() if self._sparing else Microphone(bed, self._mic_ms)
            options = rtc.TrackPublishOptions(
                source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=self._sparing, red=False
            )
            await self.room.local_participant.publish_track(self._mic.track, options)
            self._talking = asyncio.create_task(self._mic.run())
            self._talking.add_done_callback(self._mic_ended)

    async def say(self, number: int) -> tuple[signal.Samples, float]:
        """Send the chirp of that number, unique to this call: (chirp, when it was sent)."""
        assert self._mic is not None, "a watcher cannot speak"
        chirp = signal.chirp(signal.seed(self.room_name, number))
        return chirp, await self._mic.say(chirp)

    async def speak(self, sound: signal.Samples) -> float:
        """Send any sound (48 kHz, 1.0 is loudest). Returns when its last sample is sent."""
        assert self._mic is not None, "a watcher cannot speak"
        return await self._mic.say(sound) + len(sound) / signal.RATE

    def listen(self) -> None:
        """Receive the frames of the agent's latest track from now on."""
        for identity, track in self.tracks[-1:]:
            self.sinks.append((identity, AudioSink(track, self._frame_ms, self._keep_seconds)))

    async def stop_listening(self) -> None:
        """Receive no frames any more; those that were kept are gone."""
        sinks, self.sinks = self.sinks, []
        for _, sink in sinks:
            await sink.aclose()

    async def wait(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait until `holds()` after some change of the call's state; False after `seconds`."""
        return await self._changed.until(holds, seconds)

    def wake(self) -> None:
        """Make `wait` check a condition again that depends on other state."""
        self._changed.set()

    async def statistics(
        self, agent: str | None
    ) -> tuple[webrtc.Statistics | None, webrtc.Statistics | None]:
        """WebRTC statistics of that agent's audio, and of our own."""
        sinks = [sink for who, sink in self.sinks if who == agent]
        heard = await webrtc.received(sinks[-1].track) if sinks else None
        return heard, await webrtc.sent(self._mic.track) if self._mic is not None else None

    async def close(self) -> None:
        """Leave the room and stop every task; safe to call twice, or after a loss."""
        self._closing = True
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.wait([self._talking])
        await self.stop_listening()
        if self._mic is not None:
            await self._mic.aclose()
        if self.room.isconnected():
            try:
                await asyncio.wait_for(self.room.disconnect(), CLOSE_SECONDS)
            except TimeoutError:
                self._lose(f"no answer to leaving within {CLOSE_SECONDS:.0f} s")

    def _subscribe_events(self) -> None:
        room = self.room
        room.on("participant_connected", self._joined)
        room.on("participant_disconnected", self._left)
        room.on("track_published", self._published)
        room.on("track_unpublished", self._unpublished)
        room.on("track_subscribed", self._subscribed)
        room.on("local_track_subscribed", self._heard_by_somebody)
        room.on("reconnecting", lambda: self._set_reconnecting(True))
        room.on("reconnected", lambda: self._set_reconnecting(False))
        room.on("disconnected", lambda why: self._lose(rtc.DisconnectReason.Name(why)))

    def _joined(self, participant: rtc.RemoteParticipant) -> None:
        if is_agent(participant) and participant.identity not in self.present:
            agent = Agent(participant.identity, time.monotonic())
            self.present[participant.identity] = agent
            self.seen.append(agent)
            self.most_present = max(self.most_present, len(self.present))
            if len(self.present) > 1:
                self._tell("two_agents", identities=sorted(self.present))
            self._changed.set()

    def _left(self, participant: rtc.RemoteParticipant) -> None:
        agent = self.present.pop(participant.identity, None)
        if agent is not None:
            agent.left = time.monotonic()
            self._tell("agent_left", identity=agent.identity)
            self._changed.set()

    def _published(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        agent = self.present.get(participant.identity)
        if agent is not None and publication.kind == rtc.TrackKind.KIND_AUDIO:
            if agent.audio is None:
                agent.audio = time.monotonic()
                self._tell("agent", identity=agent.identity)
            self._changed.set()

    def _unpublished(
        self, publication: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant
    ) -> None:
        agent = self.present.get(participant.identity)
        if agent is not None and publication.kind == rtc.TrackKind.KIND_AUDIO:
            agent.audio = None
            self._changed.set()

    def _subscribed(
        self,
        track: rtc.RemoteTrack,
        publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        if participant.identity in self.present and isinstance(track, rtc.RemoteAudioTrack):
            self.tracks.append((participant.identity, track))
            if not self._sparing:
                self.listen()
            self.present[participant.identity].heard = time.monotonic()
            self._changed.set()

    def _heard_by_somebody(self, _track: rtc.Track) -> None:
        self.subscribed = True
        self._changed.set()

    def _set_reconnecting(self, reconnecting: bool) -> None:
        if reconnecting and not self.reconnecting:
            self._tell("reconnecting")
        self.reconnecting = reconnecting
        self.steady_since = time.monotonic()
        self._changed.set()

    def _mic_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._lose(f"the probe's own microphone failed: {task.exception()}")

    def _lose(self, why: str) -> None:
        if not self._closing and self.lost is None:
            self.lost = why
            self._changed.set()


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    """By kind, or by the identity as the app does it."""
    agent_kind: bool = participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    return agent_kind or app_finds(participant.identity)


def app_finds(identity: str) -> bool:
    """Whether the app takes a participant for the agent: it goes by the identity alone."""
    return "agent" in identity


def not_found_by_app(identity: str, room_name: str) -> str:
    """The sentence for an agent that the app would not find."""
    return (
        f"the app would not find agent {identity} in {room_name}: "
        'an identity that contains "agent" is needed'
    )
