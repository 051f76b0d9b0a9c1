"""An assistant of one's own class, as its objects are made, listened to and started."""

from livekit.agents import JobContext, UserStateChangedEvent, WorkerOptions, cli, llm
from livekit.agents.pipeline import VoicePipelineAgent
from livekit.plugins import openai, silero


class Patient(VoicePipelineAgent):
    def __init__(self, **options):
        super().__init__(**options)
        self.silences = 0


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    agent = Patient(
        vad=silero.VAD.load(),
        stt=openai.STT(model="whisper-1"),
        llm=openai.LLM(),
        tts=openai.TTS(model="tts-1", voice="alloy"),
        chat_ctx=llm.ChatContext([llm.ChatMessage(role="system", content=["You take orders."])]),
    )

    @agent.on("user_state_changed")
    def silent(ev: UserStateChangedEvent):
        if ev.old_state != "speaking":
            return
        agent.silences += 1

    @agent.on("function_calls_collected")
    def called(calls):
        print(calls)

    agent.start(ctx.room)
    print(agent.chat_ctx.items)
    await agent.say("Good evening.", add_to_chat_ctx=False)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
