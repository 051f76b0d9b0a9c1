"""What a coach listens to while it speaks."""

import asyncio
import logging

from livekit.agents import JobContext, llm
from livekit.agents.voice_assistant import VoiceAssistant

logger = logging.getLogger("coach")


async def entrypoint(ctx: JobContext, vad, stt, model, tts):
    assistant = VoiceAssistant(
        vad=vad, stt=stt, llm=model, tts=tts, transcription=False, base_volume=0.8
    )
    spoken = []

    @assistant.on("user_started_speaking")
    def on_user():
        logger.info("the user speaks")

    @assistant.on("agent_stopped_speaking")
    def on_silence():
        """The turn is over."""
        logger.info("the coach is silent")

    @assistant.on("user_speech_committed")
    def on_user_speech(chat_ctx: llm.ChatContext, msg: llm.ChatMessage):
        # for the feedback at the end
        spoken.append(msg.text)
        logger.info("%d messages", len(chat_ctx.messages))

    def on_interrupted(chat_ctx, msg):
        logger.info("interrupted: %s", msg.text)

    assistant.on("agent_speech_interrupted", on_interrupted)
    assistant.on("agent_speech_committed", lambda chat_ctx, msg: logger.info(msg.text))

    @assistant.on("function_calls_finished")
    def on_functions(called):
        logger.info("functions done")

    assistant.start(ctx.room, "eloquence-user")
    asyncio.create_task(assistant.say("Bonjour !", add_to_chat_context=False))
    farewell = asyncio.create_task(assistant.say("Au revoir."))
    await farewell
    assistant.chat_context.messages.append(
        llm.ChatMessage(role=llm.ChatRole.USER, text="Encore une fois")
    )
    await assistant.aclose()
