"""Imports of names that are gone: quoted, in try, in a function, and never read."""

from __future__ import annotations

from livekit.agents import JobContext, WorkerOptions, cli
from livekit.plugins import openai, silero

try:
    from livekit.agents.pipeline import VoicePipelineAgent
except ImportError:
    from livekit.agents.voice_assistant import VoiceAssistant as VoicePipelineAgent

try:
    from livekit.agents.multimodal import MultimodalAgent
except ImportError:
    MultimodalAgent = None


def opening(agent: "VoicePipelineAgent", other: "VoicePipelineAgent | None" = None) -> str:
    from livekit.agents.llm import LLMCapabilities

    return "Good evening."


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
    )
    agent.start(ctx.room)
    await agent.say(opening(agent))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
