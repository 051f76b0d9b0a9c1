"""Shapes that only a person can move; until then the file does not even import."""

import asyncio

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli
from livekit.agents.transcription import STTSegmentsForwarder
from livekit.agents.voice_assistant import AssistantContext, VoiceAssistant

from requests_of_ours import request_fnc


class Voice:
    """Started where nothing can be awaited."""

    def __init__(self, room: rtc.Room, **parts) -> None:
        self.voice = VoiceAssistant(vad=parts["vad"], stt=None, llm=None, tts=None)
        self.voice.once("user_started_speaking", self.on_user)
        self.voice.start(room)

    def on_user(self) -> None:
        AssistantContext.get_current().store_metadata("spoke", True)


async def entry(ctx: JobContext) -> None:
    voice = Voice(ctx.room)
    forwarder = STTSegmentsForwarder(room=ctx.room, participant="eloquence-user")
    await asyncio.sleep(1)
    print(voice, forwarder, ctx.publisher)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request_fnc, worker_type=1))
