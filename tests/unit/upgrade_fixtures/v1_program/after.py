"""A program that is v1 already: its default voice, models and queues are what it means."""

from livekit import rtc
from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli, llm
from livekit.plugins import deepgram, openai, silero


class Waiter(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You take orders.")

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage):
        print(new_message.content, new_message.text_content)


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    session = AgentSession(
        vad=silero.VAD.load(), stt=openai.STT(), llm=openai.LLM(), tts=openai.TTS()
    )
    await session.start(Waiter(), room=ctx.room)
    second = AgentSession(stt=deepgram.STT())
    print(second, rtc.AudioSource(24000, 1))


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
