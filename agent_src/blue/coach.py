"""Speaking coach on livekit 0.11.1 and livekit-agents 0.7.2: a VoiceAssistant as it was written."""

from __future__ import annotations

import asyncio
import logging

import openai as openai_client
import settings
from agent import is_agent, load
from energy import EnergyVAD
from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli, stt
from livekit.agents.llm import ChatContext, ChatMessage, ChatRole
from livekit.agents.utils import AudioBuffer
from livekit.agents.voice_assistant import VoiceAssistant
from livekit.plugins import openai
from texts import TEXTS
from typed import message

logger = logging.getLogger("coach")


class Hearing(openai.STT):
    """The plugin's STT, whose answers are interim ones.

    The adapter of this version passes an answer on, and then says it again as the final one: final
    both times, every sentence would be there twice.
    """

    async def recognize(
        self, *, buffer: AudioBuffer, language: str | None = None
    ) -> stt.SpeechEvent:
        event = await super().recognize(buffer=buffer, language=language)
        event.type = stt.SpeechEventType.INTERIM_TRANSCRIPT
        return event


async def entry(ctx: JobContext) -> None:
    came = asyncio.Event()

    def callers() -> list[rtc.RemoteParticipant]:
        return [other for other in ctx.room.participants.values() if not is_agent(other)]

    def leave(_participant: rtc.RemoteParticipant) -> None:
        # `auto_disconnect` of this version is accepted and does nothing.
        if not callers():
            ctx.shutdown("the caller left")

    ctx.room.on("participant_disconnected", leave)
    ctx.room.on("participant_connected", lambda _participant: came.set())
    while not callers():  # another agent may be here first, and is no caller
        came.clear()
        await came.wait()

    language = settings.LANGUAGE
    hears, thinks, speaks = settings.hearing(), settings.thinking(language), settings.speaking()
    detector = EnergyVAD()
    hearing = Hearing(language=language, model=hears.model, base_url=hears.url, api_key=hears.key)
    client = openai_client.AsyncClient(base_url=thinks.url, api_key=thinks.key)
    model = openai.LLM(model=thinks.model, client=client)
    instructions = ChatMessage(role=ChatRole.SYSTEM, text=TEXTS[language].instructions)
    assistant = VoiceAssistant(
        vad=detector,
        stt=stt.StreamAdapter(stt=hearing, vad=detector),
        llm=model,
        tts=openai.TTS(
            model=speaks.model,
            voice=settings.voice(language),
            base_url=speaks.url,
            api_key=speaks.key,
        ),
        chat_ctx=ChatContext(messages=[instructions]),
        # Its speech recogniser has no words before the end of speech: the voice alone interrupts.
        interrupt_min_words=0,
    )
    answers: set[asyncio.Task[None]] = set()

    async def answer(text: str) -> None:
        history = assistant.chat_context
        history.messages.append(ChatMessage(role=ChatRole.USER, text=text))
        try:
            await assistant.say(await model.chat(history))
        except Exception:  # as the assistant does with what it hears: the call lives on
            logger.exception("error while answering what was typed")

    def typed(packet: rtc.DataPacket) -> None:
        if text := message(packet.topic, packet.data):
            task = asyncio.create_task(answer(text))
            answers.add(task)
            task.add_done_callback(answers.discard)

    ctx.room.on("data_received", typed)
    assistant.start(ctx.room, callers()[0])
    await assistant.say(TEXTS[language].greeting)


async def request(req: JobRequest) -> None:
    await req.accept(entry)


if __name__ == "__main__":
    # The default host, "localhost", cannot be bound in a container without IPv6 loopback.
    cli.run_app(WorkerOptions(request, load_fnc=load, host="0.0.0.0"))  # noqa: S104
