"""A speaking coach on VoiceAssistant."""

import asyncio

from livekit.agents import Agent, AgentSession, AutoSubscribe, JobContext, WorkerOptions, cli


def parts():
    from livekit.plugins import openai, silero

    return {
        "vad": silero.VAD.load(),
        "stt": openai.STT(language="fr", model="whisper-1"),
        "llm": openai.LLM(model="mistral-small", base_url="http://localhost:11434/v1"),
        "tts": openai.TTS(voice="nova", base_url="http://localhost:8000/v1", model="tts-1"),
    }


async def entrypoint(ctx: JobContext):
    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    # What the coach is.
    instructions = (
        "Tu es un coach vocal. "
        "Tes réponses sont courtes."  # on l'écoute
    )
    made = parts()
    assistant = AgentSession(
        vad=made["vad"],
        stt=made["stt"],
        llm=made["llm"],
        tts=made["tts"],
        min_interruption_duration=0.6,
        min_interruption_words=3,
    )
    await assistant.start(Agent(instructions=instructions), room=ctx.room)
    await asyncio.sleep(1)
    await assistant.say("Bonjour, on commence ?", allow_interruptions=True)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
