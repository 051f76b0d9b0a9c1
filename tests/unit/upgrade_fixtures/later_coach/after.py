"""A coach as 0.8 wrote it: an entrypoint already, and a context that is appended to."""

import asyncio
import logging
from typing import Annotated

from livekit.agents import (
    Agent,
    AgentSession,
    AutoSubscribe,
    ConversationItemAddedEvent,
    JobContext,
    JobProcess,
    RoomInputOptions,
    WorkerOptions,
    cli,
    function_tool,
    llm,
)
from livekit.agents.voice_assistant import AssistantCallContext
from livekit.plugins import openai, silero
from pydantic import Field

logger = logging.getLogger("coach")
LEVELS = ["easy", "hard"]


class Exercises:
    @function_tool()
    async def begin(
        self,
        title: Annotated[str, Field(description="the title of the exercise")],
        level: Annotated[str, llm.TypeInfo(description="how hard", choices=LEVELS)],
        pace: Annotated[int, Field()] = 120,
    ) -> str:
        """Begin an exercise."""
        AssistantCallContext.get_current().store_metadata("title", title)
        return f"{title} ({level}, {pace})"


def prewarm(process: JobProcess) -> None:
    process.userdata["vad"] = silero.VAD.load()


async def entrypoint(ctx: JobContext):
    instructions = (
        "You are a coach. "
        "Speak slowly."
    )
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    participant = await ctx.wait_for_participant()
    exercises = Exercises()

    @exercises.ai_callable(description="End the exercise")
    async def end() -> str:
        return "ended"

    assistant = AgentSession(
        vad=ctx.proc.userdata["vad"],
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
        will_synthesize_assistant_reply=None,
    )

    @assistant.on("conversation_item_added")
    def heard(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "user":
            return
        msg = ev.item
        logger.info("heard %s", msg.role)

    await assistant.start(
        Agent(instructions=instructions, tools=llm.find_function_tools(exercises)),
        room=ctx.room,
        room_input_options=RoomInputOptions(participant_identity=participant.identity),
    )

    async def answer(text: str) -> None:
        context = assistant.chat_ctx.copy()
        context.add_message(role="user", content=[text])
        print(context.append(text="Be brief."), assistant.fnc_ctx)
        stream = assistant.llm.chat(chat_ctx=context, tools=llm.find_function_tools(exercises))
        await assistant.say(stream.to_str_iterable())

    asyncio.create_task(answer("hello"))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, prewarm_fnc=prewarm))
