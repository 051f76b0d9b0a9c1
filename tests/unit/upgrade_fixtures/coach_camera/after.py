"""A coach that looks, with the options explained and a chat context that everybody writes to."""

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    ConversationItemAddedEvent,
    JobContext,
    JobRequest,
    WorkerOptions,
    cli,
)
from livekit.agents.llm import ChatContext, ChatMessage, ImageContent

PROMPT = "Tu es un coach vocal, et tu vois l'élève."


async def entrypoint(ctx: JobContext, parts: Any = None):
    await ctx.connect()
    from livekit.plugins import openai

    shared = ChatContext(
        [
            ChatMessage(role="system", content=[PROMPT]),
        ]
    )
    model = openai.LLM(model="gpt-4o")
    assistant = AgentSession(
        vad=parts.vad,  # hears that somebody speaks
        stt=parts.stt,  # hears what
        llm=model,
        # tts=parts.other,  # the expensive voice
        tts=parts.tts,  # the cheap voice
        allow_interruptions=True,
        # what was said
        # while we try
    )
    picture: rtc.VideoFrame | None = None

    async def answer(text: str, **more: Any):
        if picture is not None:
            more["images"] = [ImageContent(image=picture)]
        shared.items.append(ChatMessage(role="user", text=text, **more))
        stream = model.chat(chat_ctx=shared)
        await assistant.say(stream.to_str_iterable(), allow_interruptions=True)

    @assistant.on("conversation_item_added")
    def on_interrupted(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "assistant" or not ev.item.interrupted:
            return
        message = ev.item
        message.text += " (interrupted)"

    await assistant.start(Agent(instructions="", chat_ctx=shared), room=ctx.room)
    await answer("Bonjour")
    for _, participant in ctx.room.remote_participants.items():
        for _, publication in participant.track_publications.items():
            if isinstance(publication.track, rtc.RemoteVideoTrack):
                async for event in rtc.VideoStream(publication.track):
                    picture = event.frame
    await asyncio.sleep(1)


async def request_fnc(
    req: JobRequest,
) -> None:
    await req.accept(
        # the one above
    )


if __name__ == "__main__":
    # Everything from the environment.
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, request_fnc=request_fnc))
