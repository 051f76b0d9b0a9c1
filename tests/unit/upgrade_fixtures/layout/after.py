"""Messages and contexts that are broken over lines."""

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli, llm
from livekit.plugins import openai, silero


async def entrypoint(ctx: JobContext):
    """Talk."""
    await ctx.connect()
    talk = llm.ChatContext(
        [
            llm.ChatMessage(role="system", content=["You take orders in a restaurant by the sea."]),
            llm.ChatMessage(role="user", content=["Hello."]),
        ]
    )
    one = AgentSession(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
    )
    await one.start(
        Agent(
            instructions="",
            chat_ctx=llm.ChatContext(
                [
                    llm.ChatMessage(
                        role="user",
                        content=["You take orders."],
                    )
                ]
            ),
        ),
        room=ctx.room,
    )
    talk.add_message(
        role="user",
        content=[
            "A picture: ",
            llm.ImageContent(
                image="https://example.org/a.png"
            )
        ],
    )


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
