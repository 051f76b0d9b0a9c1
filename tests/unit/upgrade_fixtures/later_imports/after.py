"""Imports of names that are gone: quoted, in try, in a function, and never read."""

from __future__ import annotations

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli
from livekit.plugins import openai, silero

try:
    from livekit.agents.multimodal import MultimodalAgent
except ImportError:
    MultimodalAgent = None


def opening(agent: "AgentSession", other: "AgentSession | None" = None) -> str:
    return "Good evening."


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = AgentSession(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
    )
    await agent.start(Agent(instructions=""), room=ctx.room)
    await agent.say(opening(agent))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
