"""A coach that is a class, with its assistant as an attribute."""

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    JobContext,
    RoomInputOptions,
    UserStateChangedEvent,
    llm,
)


class Functions:
    pass


class Coach:
    def __init__(self, ctx: JobContext, parts: dict) -> None:
        self.ctx = ctx
        self.functions = Functions()
        self.prompt = llm.ChatContext()
        self.assistant = AgentSession(
            vad=parts["vad"],
            stt=parts["stt"],
            llm=parts["llm"],
            tts=parts["tts"],
        )
        self.assistant.on("user_state_changed", self.on_user_stopped)

    async def start(self, participant: rtc.RemoteParticipant) -> None:
        await self.assistant.start(
            Agent(instructions="", chat_ctx=self.prompt, tools=llm.find_function_tools(self.functions)),
            room=self.ctx.room,
            room_input_options=RoomInputOptions(participant_identity=participant.identity),
        )

    def on_user_stopped(self, ev: UserStateChangedEvent) -> None:
        if ev.old_state != "speaking":
            return
        print("the user is silent")

    async def stop(self) -> None:
        await self.assistant.aclose()


def watch(assistant: AgentSession) -> bool:
    return assistant.started
