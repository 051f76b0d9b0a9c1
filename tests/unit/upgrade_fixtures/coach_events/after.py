"""What a coach listens to while it speaks."""

import asyncio
import logging

from livekit.agents import (
    Agent,
    AgentSession,
    AgentStateChangedEvent,
    ConversationItemAddedEvent,
    JobContext,
    RoomInputOptions,
    RoomOutputOptions,
    UserStateChangedEvent,
    llm,
)

logger = logging.getLogger("coach")


async def entrypoint(ctx: JobContext, vad, stt, model, tts):
    assistant = AgentSession(
        vad=vad, stt=stt, llm=model, tts=tts, base_volume=0.8
    )
    spoken = []

    @assistant.on("user_state_changed")
    def on_user(ev: UserStateChangedEvent):
        if ev.new_state != "speaking":
            return
        logger.info("the user speaks")

    @assistant.on("agent_state_changed")
    def on_silence(ev: AgentStateChangedEvent):
        """The turn is over."""
        if ev.old_state != "speaking":
            return
        logger.info("the coach is silent")

    @assistant.on("conversation_item_added")
    def on_user_speech(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "user":
            return
        chat_ctx = assistant.history
        msg = ev.item
        # for the feedback at the end
        spoken.append(msg.text_content)
        logger.info("%d messages", len(chat_ctx.items))

    def on_interrupted(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "assistant" or not ev.item.interrupted:
            return
        msg = ev.item
        logger.info("interrupted: %s", msg.text_content)

    assistant.on("conversation_item_added", on_interrupted)
    assistant.on("agent_speech_committed", lambda chat_ctx, msg: logger.info(msg.text))

    @assistant.on("function_calls_finished")
    def on_functions(called):
        logger.info("functions done")

    await assistant.start(
        Agent(instructions=""),
        room=ctx.room,
        room_input_options=RoomInputOptions(participant_identity="eloquence-user"),
        room_output_options=RoomOutputOptions(transcription_enabled=False),
    )
    assistant.say("Bonjour !", add_to_chat_ctx=False)
    farewell = asyncio.create_task(assistant.say("Au revoir."))
    await farewell
    assistant.chat_context.items.append(
        llm.ChatMessage(role="user", content=["Encore une fois"])
    )
    await assistant.drain()
    await assistant.aclose()
