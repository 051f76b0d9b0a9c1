"""Messages whose content is text, as 0.8 to 0.12 had it: made, read, set and asked for."""

from livekit.agents import JobContext, WorkerOptions, cli, llm
from livekit.agents.pipeline import VoicePipelineAgent
from livekit.plugins import deepgram, openai, silero

OPENING = "You take orders."


async def tidy(agent: VoicePipelineAgent, chat_ctx: llm.ChatContext):
    newest = chat_ctx.messages[-1]
    if isinstance(newest.content, str):
        newest.content = newest.content.strip() + "."
    for part in newest.content:
        print(part)
    return len(newest.content), chat_ctx.messages[0].content.lower()


def remembered(context: llm.ChatContext, note: str, extra):
    context.messages.append(llm.ChatMessage(role="user", content=note))
    context.messages.append(llm.ChatMessage(role="user", content=extra))
    context.messages[0].content = extra
    context.messages[0].content += "!"


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = VoicePipelineAgent(
        vad=silero.VAD.load(),
        stt=deepgram.STT(keywords=[("soup", 1.5)]),
        llm=openai.LLM(),
        tts=openai.TTS(),
        chat_ctx=llm.ChatContext(messages=[llm.ChatMessage(role="system", content=OPENING)]),
    )

    @agent.on("agent_speech_committed")
    def said(message: llm.ChatMessage):
        print(f"agent: {message.content}")

    agent.start(ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
