"""A speaking coach: greets, listens, answers aloud, can be interrupted, and gives feedback."""

from __future__ import annotations

import asyncio
import json
import logging
import wave
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path
from typing import Any

import handover
import services
from exercise import Exercise
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    AutoSubscribe,
    JobContext,
    JobProcess,
    ModelSettings,
    RunContext,
    UserInputTranscribedEvent,
    UserStateChangedEvent,
    function_tool,
    llm,
)
from livekit.plugins import silero
from settings import LANGUAGE, SILENCE_SECONDS
from telling import tell
from texts import TEXTS, WITH_TOOLS
from typed import message

logger = logging.getLogger("coach")
CALLER_SECONDS = 10.0  # how long a caller's arrival is awaited


class Coach(Agent):
    """The coach of one call. A service that fails costs one answer: the caller is told, aloud."""

    def __init__(self, language: str, history: llm.ChatContext) -> None:
        self._texts, self._language = TEXTS[language], language
        self._resumed = bool(history.items)
        self._told = False  # that a service failed, since the caller spoke or wrote
        super().__init__(
            instructions=f"{self._texts.instructions} {WITH_TOOLS}",
            chat_ctx=history,
            stt=services.hearing(language, self.failed),
            llm=services.thinking(language),
            tts=services.speaking(language),
        )

    async def on_enter(self) -> None:
        self.session.say(self._texts.welcome_back if self._resumed else self._texts.greeting)

    @function_tool
    async def start_exercise(self, context: RunContext[Exercise]) -> str:
        """Start an exercise. Call it when the caller is ready to begin."""
        context.userdata.start()
        return "started"

    @function_tool
    async def finish_exercise(self, context: RunContext[Exercise]) -> str:
        """End the exercise and get its figures. Call it when the caller is finished."""
        return json.dumps(context.userdata.finish())

    async def llm_node(
        self,
        chat_ctx: llm.ChatContext,
        tools: list[Any],
        model_settings: ModelSettings,
    ) -> AsyncIterator[Any]:
        answered = False
        try:
            async for chunk in Agent.default.llm_node(self, chat_ctx, tools, model_settings):
                answered = answered or bool(chunk.delta)
                yield chunk
        except Exception as error:  # whatever it is, the call lives on
            self.failed("language model", error)
            return
        if not answered:
            self.failed("language model", "an empty answer")

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as patience:

                def wait() -> None:
                    if not patience.expired():
                        patience.reschedule(loop.time() + services.PATIENCE)

                async def words() -> AsyncIterator[str]:
                    async for word in text:
                        wait()
                        yield word

                async for frame in Agent.default.tts_node(self, words(), model_settings):
                    wait()
                    yield frame
        except Exception as error:  # whatever it is, the call lives on
            self.failed("text to speech", error)

    def asked(self) -> None:
        """The caller speaks or writes: what fails from now on is news to them."""
        self._told = False

    def failed(self, service: str, error: object) -> None:
        """A service gave no answer: the log says why, the caller hears one sentence."""
        logger.error("no answer from %s: %s", service, _why(error), extra={"service": service})
        if self._told:
            return
        sorry = recording(Path(__file__).with_name(f"sorry.{self._language}.wav"))
        try:
            self.session.say(self._texts.sorry, audio=sorry, add_to_chat_ctx=False)
        except RuntimeError as over:
            logger.debug("nobody to tell: %s", over)
        else:
            self._told = True


def prewarm(process: JobProcess) -> None:
    """Once for a process, before it has a call."""
    process.userdata["vad"] = silero.VAD.load(min_silence_duration=SILENCE_SECONDS)


async def entrypoint(ctx: JobContext) -> None:
    context = handover.read(ctx.job.metadata)

    @ctx.room.on("participant_disconnected")
    def leave(_participant: rtc.RemoteParticipant) -> None:
        agents = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        if all(other.kind == agents for other in ctx.room.remote_participants.values()):
            ctx.shutdown("the caller left")

    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)
    try:
        async with asyncio.timeout(CALLER_SECONDS):
            caller = await ctx.wait_for_participant()
    except TimeoutError:
        ctx.shutdown("no caller came")
        return
    wanted = context.language or caller.attributes.get("language") or ""
    language = wanted if wanted in TEXTS else LANGUAGE
    exercise = Exercise()
    session = AgentSession[Exercise](
        vad=ctx.proc.userdata["vad"],
        userdata=exercise,
        conn_options=services.patience(),
    )
    coach = Coach(language, context.history)
    tell(session, ctx, SILENCE_SECONDS)

    @session.on("user_input_transcribed")
    def heard(event: UserInputTranscribedEvent) -> None:
        if event.is_final:
            exercise.turn(event.transcript)

    @ctx.room.on("data_received")
    def typed(packet: rtc.DataPacket) -> None:
        if text := message(packet.topic, packet.data):
            coach.asked()
            session.interrupt()
            session.generate_reply(user_input=text)

    spoke_at = 0.0

    @session.on("user_state_changed")
    def spoke(event: UserStateChangedEvent) -> None:
        nonlocal spoke_at
        if event.new_state == "speaking":
            spoke_at = event.created_at
            coach.asked()
        elif event.old_state == "speaking":
            exercise.speech(max(0.0, event.created_at - spoke_at - SILENCE_SECONDS))

    await ctx.room.local_participant.set_attributes({"mode": "coach", "language": language})
    await session.start(coach, room=ctx.room)


async def recording(path: Path) -> AsyncIterator[rtc.AudioFrame]:
    """The frames, 20 ms each, of a WAV file of ours."""
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        while samples := file.readframes(rate // 50):
            yield rtc.AudioFrame(samples, rate, 1, len(samples) // 2)


def _why(error: object) -> str:
    """The reason in words; the SDK wraps what happened, and a timeout says nothing itself."""
    if isinstance(error, TimeoutError):
        return f"none within {services.PATIENCE:g} s"
    root = error
    while isinstance(root, BaseException) and root.__cause__ is not None:
        root = root.__cause__
    return str(error) if root is error else f"{error} {root!r}"
