"""A speaking coach with an exercise: a whole program, which the tests call."""

import asyncio
import logging
import os

from openai import AsyncClient

from livekit.agents import (
    Agent,
    AgentSession,
    ConversationItemAddedEvent,
    JobContext,
    JobRequest,
    WorkerOptions,
    cli,
    function_tool,
    llm,
    stt,
)
from livekit.plugins import openai

logger = logging.getLogger("coach")
URL = os.environ.get("SPEECH_URL", "http://localhost:8080/v1")
KEY = "none"


class Exercise:
    def __init__(self) -> None:
        super().__init__()
        self.running = False

    @function_tool(description="Start an exercise, when the caller is ready")
    async def start_exercise(self) -> str:
        self.running = True
        logger.info("the exercise runs")
        return "started"


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    from livekit.plugins import silero

    instructions = "You are a speaking coach."
    vad = silero.VAD.load()
    hears = openai.STT(language="en", base_url=URL, api_key=KEY, model="whisper-1")
    assistant = AgentSession(
        vad=vad,
        stt=stt.StreamAdapter(stt=hears, vad=vad),
        llm=openai.LLM(model="coach-en", client=AsyncClient(base_url=URL, api_key=KEY)),
        tts=openai.TTS(voice="en", base_url=URL, api_key=KEY, model="tts-1"),
        min_interruption_words=0,
    )

    @assistant.on("conversation_item_added")
    def on_user_speech(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "user":
            return
        msg = ev.item
        logger.info("the user said %s", msg.text_content)

    await assistant.start(
        Agent(instructions=instructions, tools=llm.find_function_tools(Exercise())),
        room=ctx.room,
    )
    await asyncio.sleep(0.5)
    await assistant.say("Hello. When you are ready, say: let us begin.")


async def request_fnc(req: JobRequest) -> None:
    logger.info("accepting %s", req.room.name)
    await req.accept()


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, request_fnc=request_fnc))
