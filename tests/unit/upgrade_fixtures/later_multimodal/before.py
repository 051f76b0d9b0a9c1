"""A MultimodalAgent: what is plain, and what has to be changed by hand."""

from livekit.agents import JobContext, WorkerOptions, cli, llm
from livekit.agents.multimodal import MultimodalAgent
from livekit.plugins import openai


async def plain(ctx: JobContext):
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    model = openai.realtime.RealtimeModel(
        instructions="You take orders.",
        voice="alloy",
        modalities=["audio", "text"],
    )
    agent = MultimodalAgent(model=model)
    agent.start(ctx.room, caller)
    session = model.sessions[0]
    session.conversation.item.create(llm.ChatMessage(role="user", content="Welcome me."))
    session.response.create()


async def by_hand(ctx: JobContext):
    await ctx.connect()
    model = openai.realtime.RealtimeModel(
        instructions="You take orders.",
        turn_detection=openai.realtime.ServerVadOptions(threshold=0.6),
        max_response_output_tokens=500,
        input_audio_format="pcm16",
    )
    agent = MultimodalAgent(model=model, max_text_response_retries=2)
    agent.start(ctx.room)
    live = model.sessions[0]
    live.conversation.item.create(llm.ChatMessage(role="assistant", content="Hello."))
    live.session_update(instructions="Be brief.")
    agent.generate_reply(on_duplicate="cancel_existing")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=plain))
