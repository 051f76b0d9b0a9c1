"""Echo agent on livekit 1.0.10 and livekit-agents 1.1.3: says back what the caller says."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from livekit import rtc
from livekit.agents import AutoSubscribe, JobContext, Worker, WorkerOptions, cli

SAMPLE_RATE = 48000
FRAME_MS = 10
# How many frames may wait when this process was held up. The older ones are dropped: played late
# they would push back everything after them, for the rest of the call.
LATE_FRAMES = 4
MOST_CALLS = 20
KEYS_FILE = Path(os.environ.get("LIVEKIT_KEYS_FILE", "/run/secrets/livekit_keys"))


def read_keys(path: Path) -> tuple[str, str]:
    """(API key, secret) from the first `<api key>: <api secret>` line, as in LiveKit's `keys:`.

    Raises ValueError when there is none, OSError when the file cannot be read.
    """
    for line in path.read_text(encoding="utf-8").splitlines():
        key, colon, secret = (part.strip(" \t\"'") for part in line.partition(":"))
        if colon and secret and not key.startswith("#"):
            return key, secret
    raise ValueError(f"{path} holds no `<api key>: <api secret>` line")


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    return participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT


async def echo(track: rtc.Track, source: rtc.AudioSource) -> None:
    # The SDK's shortest frame: a longer one waits for its own end before it is sent on.
    stream = rtc.AudioStream(
        track, sample_rate=SAMPLE_RATE, num_channels=1, frame_size_ms=FRAME_MS, capacity=LATE_FRAMES
    )
    async for event in stream:
        await source.capture_frame(event.frame)


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


def load(worker: Worker) -> float:
    """Calls in progress as a share of the most this worker takes.

    Not the CPU, which is the default: on a shared host it tells what the neighbours do, and a
    worker that is full of it takes no call.
    """
    return min(len(worker.active_jobs) / MOST_CALLS, 1.0)


if __name__ == "__main__":
    api_key, api_secret = read_keys(KEYS_FILE)
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=entrypoint,
            api_key=api_key,
            api_secret=api_secret,
            load_fnc=load,
            # Each waits with about 60 MB; one ready is one call that need not wait for a start.
            num_idle_processes=2,
        )
    )
