"""The echo: says back what the caller says."""

from __future__ import annotations

import asyncio
from collections import deque

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext

SAMPLE_RATE = 48000
FRAME_MS = 10
# How many frames may wait when this process was held up; older ones are dropped.
LATE_FRAMES = 4
# Over how many frames the fewest that wait are counted: half a second.
LOOK_FRAMES = 50


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


async def echo(track: rtc.Track, source: rtc.AudioSource) -> None:
    """Say every frame as it comes.

    Frames go out no faster than they come in, so a frame that had to wait once would make all
    after it wait, for the rest of the call: what has waited through LOOK_FRAMES is dropped.
    """
    # The SDK's shortest frame: a longer one waits for its own end before it is sent on.
    stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE, num_channels=1, frame_size_ms=FRAME_MS)
    waiting: deque[rtc.AudioFrame] = deque(maxlen=LATE_FRAMES)
    came = asyncio.Event()

    async def say() -> None:
        while True:
            fewest = LATE_FRAMES
            for _ in range(LOOK_FRAMES):
                while not waiting:
                    came.clear()
                    await came.wait()
                await source.capture_frame(waiting.popleft())
                fewest = min(fewest, len(waiting))
            for _ in range(fewest):
                waiting.popleft()

    saying = asyncio.create_task(say())
    try:
        async for event in stream:
            waiting.append(event.frame)
            came.set()
    finally:
        saying.cancel()


async def entrypoint(ctx: JobContext) -> None:
    # What the queue holds is added to every round trip; its default of a second serves sources that
    # deliver faster than they play. (With 0 this version of the SDK panics.)
    source = rtc.AudioSource(SAMPLE_RATE, 1, queue_size_ms=FRAME_MS)
    echoes: dict[str, asyncio.Task[None]] = {}

    @ctx.room.on("track_subscribed")
    def listen(
        track: rtc.Track,
        _publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        # Never another agent: during a handover two are in the room and would feed each other.
        if track.kind == rtc.TrackKind.KIND_AUDIO and not is_agent(participant):
            echoes[track.sid] = asyncio.create_task(echo(track, source))

    @ctx.room.on("participant_disconnected")
    def leave(_participant: rtc.RemoteParticipant) -> None:
        if all(is_agent(other) for other in ctx.room.remote_participants.values()):
            ctx.shutdown("the caller left")

    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await ctx.room.local_participant.publish_track(track, options)
