"""An agent that misbehaves as FAULT says; run by the green interpreter (livekit-agents 1.1.3).

FAULT: none    echoes
       silent  publishes an audio track and never says anything
       mute    joins, and never publishes a track
       leaves  echoes, and leaves the room FAULT_SECONDS after it heard the caller
       slow    echoes everything FAULT_SECONDS later
       deaf    says a tone of its own, and hears nobody
       fades   echoes, and from FAULT_SECONDS after it heard the caller says nothing more
       talks   greets, and answers FAULT_SECONDS after the caller has spoken; tells its words, too
       ignores greets, and never answers
       forgets as `talks`, but from its second answer on it says its greeting
       strict  echoes a caller who brings what NEEDS says, and crashes at the sight of any other
       shuts   leaves as soon as it has come, without having said a word
NEEDS: a map for `strict`: room (the beginning of its name), room_metadata, dispatch_metadata,
       metadata (the caller's), and the caller's attributes.
IDENTITY: the participant it is, when it is not to be the SDK's own "agent-…".
FAULTS: a file with a map of these three, read anew for each call, instead of them.
AGENT_NAME: the name it registers under, if it is to be dispatched by name only.
IDLE: how many processes wait for a call, 1 by default: a busy machine takes long to start one.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli


def wanted() -> Mapping[str, str]:
    """What the next call is to meet."""
    file = os.environ.get("FAULTS")
    faults: Mapping[str, str] = json.loads(Path(file).read_text()) if file else os.environ
    return faults


async def hum(source: rtc.AudioSource) -> None:
    """1 kHz in the band of the chirps, as loud as they are, for as long as the job lives."""
    wave = 8000 * np.sin(2 * np.pi * 1000 * np.arange(480) / 48_000)
    frame = rtc.AudioFrame(wave.astype(np.int16).tobytes(), 48_000, 1, 480)
    while True:
        await source.capture_frame(frame)


GREETING = "hello I am here to answer you"
TALKERS = ("talks", "ignores", "forgets")


async def converse(ctx: JobContext, caller: rtc.Track, source: rtc.AudioSource) -> None:
    """Greet, then say something after everything that the caller says."""
    fault, seconds = wanted()["FAULT"], float(wanted().get("FAULT_SECONDS", "0.3"))
    wave = 8000 * np.sin(2 * np.pi * 500 * np.arange(480) / 48_000)
    frame = rtc.AudioFrame(wave.astype(np.int16).tobytes(), 48_000, 1, 480)

    async def say(words: str) -> None:
        for _ in range(80):
            await source.capture_frame(frame)
        await ctx.room.local_participant.send_text(words, topic="lk.transcription")

    await say(GREETING)
    answers, spoken, quiet = 0, 0, 0
    async for event in rtc.AudioStream(caller, sample_rate=48_000, num_channels=1, capacity=50):
        loud = np.abs(np.frombuffer(event.frame.data, np.int16)).max() > 1000
        spoken, quiet = (spoken + 1, 0) if loud else (spoken, quiet + 1)
        if spoken < 20 or quiet < 30:  # 200 ms of voice, and 300 ms of silence after it
            continue
        spoken, answers = 0, answers + 1
        if fault == "ignores":
            continue
        await asyncio.sleep(seconds)
        await say(GREETING if fault == "forgets" and answers > 1 else f"answer number {answers}")


async def entrypoint(ctx: JobContext) -> None:
    faults = wanted()
    fault, seconds = faults["FAULT"], float(faults.get("FAULT_SECONDS", "0"))
    source = rtc.AudioSource(48_000, 1, queue_size_ms=100)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    pumps = set()

    # Each frame with its own time, not a second of silence ahead: frames that a busy machine drops
    # would eat that up, and the agent would be slow no more.
    later: asyncio.Queue[tuple[float, rtc.AudioFrame]] = asyncio.Queue()

    async def speak_later() -> None:
        while True:
            due, frame = await later.get()
            await asyncio.sleep(due - asyncio.get_running_loop().time())
            await source.capture_frame(frame)

    async def pump(caller: rtc.Track) -> None:
        until = asyncio.get_running_loop().time() + seconds
        # What a busy machine makes late is dropped: it would stay late for the rest of the call.
        stream = rtc.AudioStream(caller, sample_rate=48_000, num_channels=1, capacity=10)
        async for event in stream:
            if fault == "leaves" and asyncio.get_running_loop().time() > until:
                ctx.shutdown("as the test wants it")
                await ctx.room.disconnect()
                return
            if fault == "fades" and asyncio.get_running_loop().time() > until:
                continue
            if fault == "slow":
                later.put_nowait((asyncio.get_running_loop().time() + seconds, event.frame))
            elif fault not in ("silent", "deaf"):
                await source.capture_frame(event.frame)

    @ctx.room.on("track_subscribed")
    def hear(caller: rtc.Track, *_: object) -> None:
        talks = fault in TALKERS
        pumps.add(asyncio.create_task(converse(ctx, caller, source) if talks else pump(caller)))

    await ctx.connect()
    if fault == "shuts":
        ctx.shutdown("as the test wants it")
        await ctx.room.disconnect()
        return
    if fault == "strict":
        needs = json.loads(faults["NEEDS"])
        caller = await ctx.wait_for_participant()
        brought = dict(caller.attributes) | {
            "room": ctx.room.name[: len(needs["room"])],
            "room_metadata": ctx.room.metadata,
            "dispatch_metadata": ctx.job.metadata,
            "metadata": caller.metadata,
        }
        if brought != needs:
            raise ValueError(f"{brought} is not {needs}")
    if fault != "mute":
        await ctx.room.local_participant.publish_track(track)
    if fault == "slow":
        pumps.add(asyncio.create_task(speak_later()))
    if fault == "deaf":
        pumps.add(asyncio.create_task(hum(source)))


async def request(job: JobRequest) -> None:
    await job.accept(identity=wanted().get("IDENTITY", ""))


if __name__ == "__main__":
    options = WorkerOptions(
        entrypoint_fnc=entrypoint,
        request_fnc=request,
        agent_name=os.environ.get("AGENT_NAME", ""),
        num_idle_processes=int(os.environ.get("IDLE", "1")),
        # The default reports the machine's CPU: when others are busy the server passes us over.
        load_fnc=lambda _worker: 0.0,
    )
    cli.run_app(options)
