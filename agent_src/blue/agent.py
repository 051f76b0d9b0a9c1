"""The agent on livekit 0.11.1 and livekit-agents 0.7.2: an echo, or a speaking coach."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import psutil
from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli

SAMPLE_RATE = 48000
MOST_CALLS = 20
NO_COACH = "this image holds the echo alone: AGENT_MODE coach needs the one tagged -coach"
MODES = ("echo", "coach")


def is_agent(participant: rtc.RemoteParticipant) -> bool:
    """This SDK does not know kinds of participants; the server names agents `agent-<job>`."""
    return participant.identity.startswith("agent-")


async def echo(track: rtc.RemoteTrack, source: rtc.AudioSource) -> None:
    async for event in rtc.AudioStream(track, capacity=2):
        await source.capture_frame(event.frame)


async def entry(ctx: JobContext) -> None:
    source = rtc.AudioSource(SAMPLE_RATE, 1)
    echoes: dict[str, asyncio.Task[None]] = {}

    def listen(
        track: rtc.RemoteTrack,
        _publication: rtc.RemoteTrackPublication,
        participant: rtc.RemoteParticipant,
    ) -> None:
        wanted = track.kind == rtc.TrackKind.KIND_AUDIO and not is_agent(participant)
        if wanted and track.sid not in echoes:
            echoes[track.sid] = asyncio.create_task(echo(track, source))

    def leave(_participant: rtc.RemoteParticipant) -> None:
        # `auto_disconnect` of this version is accepted and does nothing.
        if all(is_agent(other) for other in ctx.room.participants.values()):
            ctx.shutdown("the caller left")

    ctx.room.on("track_subscribed", listen)
    ctx.room.on("participant_disconnected", leave)
    # The room is connected already: what is there was announced before we could listen.
    for participant in ctx.room.participants.values():
        for publication in participant.tracks.values():
            if publication.track:
                listen(publication.track, publication, participant)

    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await ctx.room.local_participant.publish_track(track, options)


async def request(req: JobRequest) -> None:
    await req.accept(entry)


def load() -> float:
    """Calls in progress, each a child process, as a share of the most this worker takes.

    Not the CPU, which is the default: on a shared host it tells what the neighbours do, and a
    worker that is full of it takes no call.
    """
    calls = 0
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # ended while we counted
            calls += child.status() != psutil.STATUS_ZOMBIE
    return min(calls / MOST_CALLS, 1.0)


def become_coach() -> None:
    """Go on as the coach, a program of its own, when the environment asks for it."""
    mode = os.environ.get("AGENT_MODE", "echo")
    if mode not in MODES:
        sys.exit(f"AGENT_MODE {mode!r} is not one of {', '.join(MODES)}")
    if mode == "coach":
        try:
            import settings
        except ModuleNotFoundError:
            sys.exit(NO_COACH)
        if wrong := settings.wrong_setting():
            sys.exit(wrong)
        coach = str(Path(__file__).with_name("coach.py"))
        os.execv(sys.executable, [sys.executable, coach, *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    become_coach()
    # The default host, "localhost", cannot be bound in a container without IPv6 loopback.
    cli.run_app(WorkerOptions(request, load_fnc=load, host="0.0.0.0"))  # noqa: S104
