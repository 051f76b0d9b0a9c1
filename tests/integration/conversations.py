"""Calls to a talking agent, and everything that a promise of both colours can be judged by."""

from __future__ import annotations

import asyncio
import io
import json
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import numpy as np
from livekit import api
from livekit.api.room_service import RoomService

from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.caller.transcripts import Transcripts, plain
from releve.probe.suites import conversation
from releve.probe.suites.conversation import voices

SENTENCE = Path(conversation.__file__).with_name("let-us-begin.wav")
GREETING = "Hello, I am your speaking coach. When you are ready, say: let us begin."
TYPED = "she sells sea shells by the sea shore"
CALLS = 3
SECONDS = 60.0  # for whatever is awaited; generous, since only that it comes is a promise
LEAVE_SECONDS = 15.0  # less than the server's own for an empty room
LOOK = 0.05


@dataclass(slots=True)
class Evidence:
    """Of one conversation; `agents` and `greeted` are of all calls at once.

    Voices are seconds of voice heard: `greeting_voice` until the caller's words were written,
    `reply_voice` after that; `whole_greeting` is what the greeting takes undisturbed.
    """

    identities: list[str] = field(default_factory=list)
    audio_tracks: int = 0
    greeting_words: str = ""
    greeting_voice: float = 0.0
    whole_greeting: float = 0.0
    our_words: str = ""
    reply_words: str = ""
    reply_voice: bool = False
    typed_reply: str = ""
    left: bool = False
    agents: list[int] = field(default_factory=list)
    greeted: list[bool] = field(default_factory=list)


async def converse(server: Server, speech: str) -> Evidence:
    """CALLS calls at once; the last that comes goes on to talk.

    When the others are greeted: what it takes to start their processes would be heard in it.
    """
    seen = Evidence(whole_greeting=await _spoken_seconds(speech, GREETING))
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as client:
        rooms = [server.new_room("parity") for _ in range(CALLS)]
        for room in rooms:
            # Ours would end a second after its caller left: the agent is to leave by itself.
            await client.room.create_room(api.CreateRoomRequest(name=room))
        step = asyncio.Barrier(CALLS)
        async with asyncio.TaskGroup() as calls:
            calls.create_task(_talk(server, rooms[0], seen, step))
            for room in rooms[1:]:
                calls.create_task(_listen(server, room, seen, step))
        seen.left = await _empty(client.room, rooms[0])
    return seen


async def _talk(server: Server, room: str, seen: Evidence, step: asyncio.Barrier) -> None:
    await step.wait()
    call = Call(server, room, bed=False)
    written = Transcripts(call.room)
    try:
        await _open(call, seen)
        await step.wait()
        seen.identities = [agent.identity for agent in call.seen]
        if not call.sinks:
            return
        agent = call.seen[0].identity
        # Both agents let a speech begin before it can be interrupted.
        await _until(call, lambda: _voice(call, call.opened) > 1.3)
        ended = await call.speak(conversation.load(SENTENCE))
        await _until(call, lambda: bool(written.since(ended, "event", call.identity)))
        heard = time.monotonic()
        seen.greeting_voice = _voice(call, call.opened)
        seen.greeting_words = written.since(call.opened, "event", agent)
        seen.our_words = plain(written.since(ended, "event", call.identity))
        await _until(call, lambda: "repeat" in plain(written.since(heard, "event", agent)))
        seen.reply_voice = await conversation.first_voice(call, heard, SECONDS) is not None
        await _until(call, lambda: "after me" in plain(written.since(heard, "event", agent)))
        seen.reply_words = plain(written.since(heard, "event", agent))
        typed = time.monotonic()
        packet = json.dumps({"message": TYPED, "timestamp": int(time.time() * 1000)})
        await call.room.local_participant.publish_data(packet, topic="lk-chat-topic")
        await _until(call, lambda: "said" in plain(written.since(typed, "event", agent)))
        seen.typed_reply = plain(written.since(typed, "event", agent))
        tracks = call.room.remote_participants[agent].track_publications
        seen.audio_tracks = len(tracks)
    finally:
        await written.aclose()
        await call.close()


async def _listen(server: Server, room: str, seen: Evidence, step: asyncio.Barrier) -> None:
    call = Call(server, room, bed=False)
    try:
        await _open(call, seen)
        await step.wait()  # the last may come
        await step.wait()  # it has its agent
    finally:
        await call.close()


async def _open(call: Call, seen: Evidence) -> None:
    await call.open()
    await call.wait(lambda: bool(call.sinks), SECONDS)
    seen.greeted.append(await conversation.first_voice(call, call.opened, SECONDS) is not None)
    seen.agents.append(call.most_present)


async def _until(call: Call, holds: Callable[[], bool]) -> None:
    """Wait until it holds; the promise that it should is judged by what was seen."""
    deadline = time.monotonic() + SECONDS
    while not holds() and call.lost is None and time.monotonic() < deadline:
        await call.wait(lambda: call.lost is not None, LOOK)


def _voice(call: Call, since: float) -> float:
    frames = [frame for _, sink in call.sinks for frame in sink.frames() if frame[0] >= since]
    return len(voices(frames)) / 100


async def _empty(service: RoomService, room: str) -> bool:
    """Whether everybody has left a room in time."""
    deadline = time.monotonic() + LEAVE_SECONDS
    while time.monotonic() < deadline:
        answer = await service.list_participants(api.ListParticipantsRequest(room=room))
        if not answer.participants:
            return True
        await asyncio.sleep(LOOK)
    return False


async def _spoken_seconds(speech: str, text: str) -> float:
    """Seconds of voice in what the services make of a text."""
    asked = {"model": "espeak-ng", "input": text, "voice": "en", "response_format": "wav"}
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{speech}/audio/speech", json=asked) as answer,
    ):
        answer.raise_for_status()
        with wave.open(io.BytesIO(await answer.read())) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            count = file.getframerate() // 100
    frames = samples[: len(samples) // count * count].reshape(-1, count)
    return len(voices([(float(n), frame) for n, frame in enumerate(frames)])) / 100
