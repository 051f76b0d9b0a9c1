"""Comments in the places that are rewritten."""

from livekit.agents import Agent, AgentSession, JobContext, llm


async def commented_prompt(ctx: JobContext):
    opening = llm.ChatContext(
        [
            # who it is
            llm.ChatMessage(role="system", content=["You are a coach."]),  # and no more
        ]
    )
    assistant = AgentSession(vad=None, stt=None, llm=None, tts=None)
    await assistant.start(Agent(instructions="", chat_ctx=opening), room=ctx.room)


async def commented_append(ctx: JobContext):
    opening = llm.ChatContext().append(
        role="system",  # as in 0.8
        text="You are a coach.",
    )
    assistant = AgentSession(vad=None, stt=None, llm=None, tts=None)
    await assistant.start(Agent(instructions="", chat_ctx=opening), room=ctx.room)


async def hash_in_a_prompt(ctx: JobContext):
    instructions = "You are coach #1."
    assistant = AgentSession(vad=None, stt=None, llm=None, tts=None)
    await assistant.start(Agent(instructions=instructions), room=ctx.room)


async def commented_arguments(ctx: JobContext):
    assistant = AgentSession(vad=None, stt=None, llm=None, tts=None,
        # short
        # nothing to call
    )
    await assistant.start(Agent(instructions="You are a coach."), room=ctx.room)
