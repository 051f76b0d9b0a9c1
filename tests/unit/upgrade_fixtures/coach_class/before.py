"""A coach that is a class, with its assistant as an attribute."""

from livekit import rtc
from livekit.agents import JobContext, llm
from livekit.agents.voice_assistant import VoiceAssistant


class Functions(llm.FunctionContext):
    pass


class Coach:
    def __init__(self, ctx: JobContext, parts: dict) -> None:
        self.ctx = ctx
        self.functions = Functions()
        self.prompt = llm.ChatContext()
        self.assistant = VoiceAssistant(
            vad=parts["vad"],
            stt=parts["stt"],
            llm=parts["llm"],
            tts=parts["tts"],
            chat_ctx=self.prompt,
            fnc_ctx=self.functions,
        )
        self.assistant.on("user_stopped_speaking", self.on_user_stopped)

    async def start(self, participant: rtc.RemoteParticipant) -> None:
        self.assistant.start(self.ctx.room, participant)

    def on_user_stopped(self) -> None:
        print("the user is silent")

    async def stop(self) -> None:
        await self.assistant.aclose(wait=False)


def watch(assistant: VoiceAssistant) -> bool:
    return assistant.started
