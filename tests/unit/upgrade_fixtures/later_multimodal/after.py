"""A MultimodalAgent: what is plain, and what has to be changed by hand."""

from livekit.agents import (
    Agent,
    AgentSession,
    JobContext,
    RoomInputOptions,
    WorkerOptions,
    cli,
    llm,
)
from livekit.plugins import openai


async def plain(ctx: JobContext):
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    model = openai.realtime.RealtimeModel(
        voice="alloy",
    )
    agent = AgentSession(llm=model)
    await agent.start(
        Agent(instructions="You take orders."),
        room=ctx.room,
        room_input_options=RoomInputOptions(participant_identity=caller.identity),
    )
    await agent.generate_reply(user_input="Welcome me.")


async def by_hand(ctx: JobContext):
    await ctx.connect()
    model = openai.realtime.RealtimeModel(
        turn_detection=openai.realtime.ServerVadOptions(threshold=0.6),
        max_response_output_tokens=500,
        input_audio_format="pcm16",
    )
    agent = AgentSession(llm=model, max_text_response_retries=2)
    await agent.start(Agent(instructions="You take orders."), room=ctx.room)
    live = model.sessions[0]
    live.conversation.item.create(llm.ChatMessage(role="assistant", content=["Hello."]))
    live.session_update(instructions="Be brief.")
    agent.generate_reply(on_duplicate="cancel_existing")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=plain))
