"""Messages and contexts that are broken over lines."""

from livekit.agents import JobContext, JobRequest, WorkerOptions, cli, llm
from livekit.agents.voice_assistant import VoiceAssistant
from livekit.plugins import openai, silero


async def entrypoint(ctx: JobContext):
    """Talk."""
    talk = llm.ChatContext().append(role="system", text="You take orders in a restaurant by the sea.").append(role="user", text="Hello.")
    one = VoiceAssistant(
        vad=silero.VAD(),
        stt=openai.STT(),
        llm=openai.LLM(),
        tts=openai.TTS(),
        chat_ctx=llm.ChatContext(
            messages=[
                llm.ChatMessage(
                    role=llm.ChatRole.USER,
                    text="You take orders.",
                )
            ]
        ),
    )
    one.start(ctx.room)
    talk.append(
        text="A picture: ",
        images=[
            llm.ChatImage(
                image="https://example.org/a.png"
            )
        ],
        role="user",
    )


async def wanted(request: JobRequest):
    await request.accept(entrypoint)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(wanted))
