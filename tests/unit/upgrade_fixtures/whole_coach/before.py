"""A speaking coach with an exercise: a whole program, which the tests call."""

import asyncio
import logging
import os

from openai import AsyncClient

from livekit.agents import JobContext, JobRequest, WorkerOptions, cli, llm, stt
from livekit.agents.voice_assistant import VoiceAssistant
from livekit.plugins import openai

logger = logging.getLogger("coach")
URL = os.environ.get("SPEECH_URL", "http://localhost:8080/v1")
KEY = "none"


class Exercise(llm.FunctionContext):
    def __init__(self) -> None:
        super().__init__()
        self.running = False

    @llm.ai_callable(desc="Start an exercise, when the caller is ready")
    async def start_exercise(self) -> str:
        self.running = True
        logger.info("the exercise runs")
        return "started"


async def entrypoint(ctx: JobContext):
    from livekit.plugins import silero

    initial_ctx = llm.ChatContext(
        messages=[
            llm.ChatMessage(
                role=llm.ChatRole.SYSTEM,
                text="You are a speaking coach.",
            )
        ]
    )
    vad = silero.VAD()
    hears = openai.STT(language="en", base_url=URL, api_key=KEY)
    assistant = VoiceAssistant(
        vad=vad,
        stt=stt.StreamAdapter(stt=hears, vad=vad),
        llm=openai.LLM(model="coach-en", client=AsyncClient(base_url=URL, api_key=KEY)),
        tts=openai.TTS(voice="en", base_url=URL, api_key=KEY),
        chat_ctx=initial_ctx,
        fnc_ctx=Exercise(),
        interrupt_min_words=0,
    )

    @assistant.on("user_speech_committed")
    def on_user_speech(chat_ctx: llm.ChatContext, msg: llm.ChatMessage):
        logger.info("the user said %s", msg.text)

    assistant.start(ctx.room)
    await asyncio.sleep(0.5)
    await assistant.say("Hello. When you are ready, say: let us begin.")


async def request_fnc(req: JobRequest) -> None:
    logger.info("accepting %s", req.room.name)
    await req.accept(entrypoint)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request_fnc))
