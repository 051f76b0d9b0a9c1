"""A light VAD and a recogniser of one's own: only a person can move these."""

from livekit import rtc
from livekit.agents import llm, stt, utils, vad
from livekit.agents.voice_assistant import VoiceAssistant
from livekit.plugins import openai


class EnergyVAD(vad.VAD):
    def __init__(self, threshold: float = 300) -> None:
        self.threshold = threshold

    def stream(self, *, min_speaking_duration: float = 0.1, **_options) -> "EnergyStream":
        return EnergyStream(self.threshold)


class EnergyStream(vad.VADStream):
    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def push_frame(self, frame: rtc.AudioFrame) -> None:
        print(max(frame.data))

    async def aclose(self, *, wait: bool = True) -> None:
        pass

    async def __anext__(self) -> vad.VADEvent:
        raise StopAsyncIteration


class Recogniser(stt.STT):
    def __init__(self) -> None:
        super().__init__(streaming_supported=False)

    async def recognize(self, *, buffer: utils.AudioBuffer, language: str | None = None):
        async with utils.http_session().post("http://localhost:9000") as answer:
            text = (await answer.json())["text"]
        return stt.SpeechEvent(
            stt.SpeechEventType.FINAL_TRANSCRIPT, [stt.SpeechData(language or "fr", text)]
        )


class Interim(openai.STT):
    async def recognize(self, *, buffer: utils.AudioBuffer, language: str | None = None):
        event = await super().recognize(buffer=buffer, language=language)
        event.type = stt.SpeechEventType.INTERIM_TRANSCRIPT
        return event


def callers(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    return [other for other in room.participants.values() if other.tracks]


async def answer(room: rtc.Room, model: openai.LLM, history: llm.ChatContext) -> None:
    assistant = VoiceAssistant(vad=EnergyVAD(), stt=Interim(), llm=model, tts=openai.TTS(model="x"))
    assistant.start(room, callers(room)[0])
    await assistant.say(await model.chat(history))
