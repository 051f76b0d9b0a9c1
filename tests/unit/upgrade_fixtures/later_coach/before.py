"""A coach as 0.8 wrote it: an entrypoint already, and a context that is appended to."""

import asyncio
import logging
from typing import Annotated

from livekit.agents import AutoSubscribe, JobContext, JobProcess, WorkerOptions, cli, llm
from livekit.agents.llm import USE_DOCSTRING
from livekit.agents.voice_assistant import AssistantCallContext, VoiceAssistant
from livekit.plugins import openai, silero

logger = logging.getLogger("coach")
LEVELS = ["easy", "hard"]


class Exercises(llm.FunctionContext):
    @llm.ai_callable(description=USE_DOCSTRING)
    async def begin(
        self,
        title: Annotated[str, llm.TypeInfo(description="the title of the exercise")],
        level: Annotated[str, llm.TypeInfo(description="how hard", choices=LEVELS)],
        pace: Annotated[int, llm.TypeInfo()] = 120,
    ) -> str:
        """Begin an exercise."""
        AssistantCallContext.get_current().store_metadata("title", title)
        return f"{title} ({level}, {pace})"


def prewarm(process: JobProcess) -> None:
    process.userdata["vad"] = silero.VAD.load()


async def entrypoint(ctx: JobContext):
    initial_ctx = llm.ChatContext().append(
        role="system",
        text=(
            "You are a coach. "
            "Speak slowly."
        ),
    )
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    participant = await ctx.wait_for_participant()
    exercises = Exercises()

    @exercises.ai_callable(description="End the exercise")
    async def end() -> str:
        return "ended"

    assistant = VoiceAssistant(
        vad=ctx.proc.userdata["vad"],
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(),
        chat_ctx=initial_ctx,
        fnc_ctx=exercises,
        will_synthesize_assistant_reply=None,
    )

    @assistant.on("user_speech_committed")
    def heard(msg: llm.ChatMessage):
        logger.info("heard %s", msg.role)

    assistant.start(ctx.room, participant)

    async def answer(text: str) -> None:
        context = assistant.chat_ctx.copy()
        context.append(role="user", text=text)
        print(context.append(text="Be brief."), assistant.fnc_ctx)
        stream = assistant.llm.chat(chat_ctx=context, fnc_ctx=exercises)
        await assistant.say(stream)

    asyncio.create_task(answer("hello"))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, prewarm_fnc=prewarm))
