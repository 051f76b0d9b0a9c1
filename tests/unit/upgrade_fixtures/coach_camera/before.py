"""A coach that looks, with the options explained and a chat context that everybody writes to."""

import asyncio
from typing import Any

from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli
from livekit.agents.llm import ChatContext, ChatImage, ChatMessage, ChatRole
from livekit.agents.voice_assistant import VoiceAssistant

PROMPT = "Tu es un coach vocal, et tu vois l'élève."


async def entrypoint(ctx: JobContext, parts: Any = None):
    from livekit.plugins import openai

    shared = ChatContext(
        messages=[
            ChatMessage(role=ChatRole.SYSTEM, text=PROMPT),
        ]
    )
    model = openai.LLM(model="gpt-4o")
    assistant = VoiceAssistant(
        vad=parts.vad,  # hears that somebody speaks
        stt=parts.stt,  # hears what
        llm=model,
        # tts=parts.other,  # the expensive voice
        tts=parts.tts,  # the cheap voice
        chat_ctx=shared,  # what was said
        allow_interruptions=True,
        debug=True,  # while we try
    )
    picture: rtc.VideoFrame | None = None

    async def answer(text: str, **more: Any):
        if picture is not None:
            more["images"] = [ChatImage(picture)]
        shared.messages.append(ChatMessage(role=ChatRole.USER, text=text, **more))
        stream = await model.chat(shared)
        await assistant.say(stream, allow_interruptions=True)

    @assistant.on("agent_speech_interrupted")
    def on_interrupted(chat_ctx: ChatContext, message: ChatMessage):
        message.text += " (interrupted)"

    assistant.start(ctx.room)
    await answer("Bonjour")
    for _, participant in ctx.room.participants.items():
        for _, publication in participant.tracks.items():
            if isinstance(publication.track, rtc.RemoteVideoTrack):
                async for event in rtc.VideoStream(publication.track):
                    picture = event.frame
    await asyncio.sleep(1)


async def request_fnc(
    req: JobRequest,
) -> None:
    await req.accept(
        entrypoint,  # the one above
    )


if __name__ == "__main__":
    # Everything from the environment.
    cli.run_app(WorkerOptions(request_fnc))
