"""Options of later assistants, each with its own successor."""

from livekit.agents import JobContext, WorkerOptions, cli, llm
from livekit.agents.pipeline import VoicePipelineAgent
from livekit.plugins import openai, silero, turn_detector


async def look_up(agent, chat_ctx: llm.ChatContext):
    chat_ctx.append(role="assistant", text="Soup is off.")


def spoken(agent, text):
    return text


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM.with_groq(model="llama-3.3-70b-versatile"),
        tts=openai.TTS(model="tts-1", voice="alloy"),
        turn_detector=turn_detector.EOUModel(),
        max_nested_fnc_calls=3,
        before_llm_cb=look_up,
        before_tts_cb=spoken,
    )
    agent.start(ctx.room)
    print(turn_detector.EOUModel(unlikely_threshold=0.2))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
