"""Messages whose content is text, as 0.8 to 0.12 had it: made, read, set and asked for."""

from livekit.agents import (
    Agent,
    AgentSession,
    ConversationItemAddedEvent,
    JobContext,
    WorkerOptions,
    cli,
    llm,
)
from livekit.plugins import deepgram, openai, silero

OPENING = "You take orders."


async def tidy(agent: AgentSession, chat_ctx: llm.ChatContext):
    newest = chat_ctx.items[-1]
    if isinstance(newest.content, str):
        newest.content = [newest.text_content.strip() + "."]
    for part in newest.content:
        print(part)
    return len(newest.text_content), chat_ctx.items[0].text_content.lower()


def remembered(context: llm.ChatContext, note: str, extra):
    context.items.append(llm.ChatMessage(role="user", content=[note]))
    context.items.append(llm.ChatMessage(role="user", content=extra))
    context.items[0].content = extra
    context.items[0].content += "!"


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = AgentSession(
        vad=silero.VAD.load(),
        stt=deepgram.STT(keywords=[("soup", 1.5)], model="nova-2-general"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
    )

    @agent.on("conversation_item_added")
    def said(ev: ConversationItemAddedEvent):
        if ev.item.type != "message" or ev.item.role != "assistant" or ev.item.interrupted:
            return
        message = ev.item
        print(f"agent: {message.text_content}")

    await agent.start(Agent(instructions=OPENING), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
