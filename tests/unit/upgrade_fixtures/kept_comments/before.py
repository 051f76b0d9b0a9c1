"""Comments in the places that are rewritten."""

from livekit.agents import JobContext, llm
from livekit.agents.voice_assistant import VoiceAssistant


async def commented_prompt(ctx: JobContext):
    opening = llm.ChatContext(
        messages=[
            # who it is
            llm.ChatMessage(role=llm.ChatRole.SYSTEM, text="You are a coach."),  # and no more
        ]
    )
    assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None, chat_ctx=opening)
    assistant.start(ctx.room)


async def commented_append(ctx: JobContext):
    opening = llm.ChatContext().append(
        role="system",  # as in 0.8
        text="You are a coach.",
    )
    assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None, chat_ctx=opening)
    assistant.start(ctx.room)


async def hash_in_a_prompt(ctx: JobContext):
    opening = llm.ChatContext(
        messages=[llm.ChatMessage(role=llm.ChatRole.SYSTEM, text="You are coach #1.")]
    )
    assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None, chat_ctx=opening)
    assistant.start(ctx.room)


async def commented_arguments(ctx: JobContext):
    assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None, chat_ctx=llm.ChatContext(
        messages=[llm.ChatMessage(role=llm.ChatRole.SYSTEM, text="You are a coach.")]),  # short
        fnc_ctx=None,  # nothing to call
    )
    assistant.start(ctx.room)
