"""A speaking coach on VoiceAssistant."""

import asyncio

from livekit.agents import AutoSubscribe, JobContext, JobRequest, WorkerOptions, cli, llm
from livekit.agents.voice_assistant import VoiceAssistant


def parts():
    from livekit.plugins import openai, silero

    return {
        "vad": silero.VAD(),
        "stt": openai.STT(language="fr"),
        "llm": openai.LLM(model="mistral-small", base_url="http://localhost:11434/v1"),
        "tts": openai.TTS(voice="nova", base_url="http://localhost:8000/v1"),
    }


async def entrypoint(ctx: JobContext):
    # What the coach is.
    initial_ctx = llm.ChatContext(
        messages=[
            llm.ChatMessage(
                role=llm.ChatRole.SYSTEM,
                text=(
                    "Tu es un coach vocal. "
                    "Tes réponses sont courtes."  # on l'écoute
                ),
            )
        ]
    )
    made = parts()
    assistant = VoiceAssistant(
        vad=made["vad"],
        stt=made["stt"],
        llm=made["llm"],
        tts=made["tts"],
        chat_ctx=initial_ctx,
        interrupt_speech_duration=0.6,
        interrupt_min_words=2,
        debug=True,
    )
    assistant.start(ctx.room)
    await asyncio.sleep(1)
    await assistant.say("Bonjour, on commence ?", allow_interruptions=True)


async def request_fnc(req: JobRequest) -> None:
    await req.accept(entrypoint, auto_subscribe=AutoSubscribe.AUDIO_ONLY)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request_fnc))
