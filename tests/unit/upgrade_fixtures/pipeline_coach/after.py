"""A coach of 0.12: VoiceAssistant under its later name."""

import logging

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli, llm, metrics
from livekit.agents.llm import ChatContext
from livekit.agents.pipeline import AgentTranscriptionOptions
from livekit.plugins import openai, rag, silero

logger = logging.getLogger("coach")


async def before_model(agent: AgentSession, chat_ctx: llm.ChatContext):
    logger.info("%d items, and %s", len(chat_ctx.items), rag)


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    opening = (
        ChatContext(
            [
                llm.ChatMessage(role="system", content=["You are a coach."]),
                llm.ChatMessage(role="assistant", content=["Hello!"]),
            ]
        )
    )
    agent = AgentSession(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
        min_endpointing_delay=0.6,
        before_llm_cb=before_model,  # what the model is asked
        transcription=AgentTranscriptionOptions(user_transcription=False),
    )

    @agent.on("metrics_collected")
    def measured(collected: metrics.AgentMetrics):
        metrics.log_metrics(collected)

    await agent.start(Agent(instructions="", chat_ctx=opening), room=ctx.room)
    note = llm.ChatMessage(role="assistant", content=["Well done."])
    print(note, opening.copy())


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
