"""Speech services: the plugins at any OpenAI-compatible endpoints (shared/settings.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import settings
from livekit.agents import APIConnectOptions, APIError, stt, utils
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.plugins import openai

PATIENCE = settings.service_seconds()  # that a caller is kept waiting for one service
LIVES_ON = 2**31  # errors in a row after which the SDK would end the call

Failed = Callable[[str, object], None]


class Hearing(openai.STT):
    """The plugin's STT, which tells of a failure and hears nothing instead of raising.

    Its session ends the call at the first error of STT.
    """

    def __init__(self, at: settings.Endpoint, language: str, failed: Failed) -> None:
        super().__init__(base_url=at.url, api_key=at.key, model=at.model, language=language)
        self._failed = failed

    async def _recognize_impl(
        self, buffer: utils.AudioBuffer, *, language: object, conn_options: APIConnectOptions
    ) -> stt.SpeechEvent:
        try:
            async with asyncio.timeout(PATIENCE):
                event = await super()._recognize_impl(
                    buffer, language=language, conn_options=conn_options
                )
            if not isinstance(event.alternatives[0].text, str):
                raise APIError("an answer without a text")
        except (APIError, TimeoutError) as error:
            self._failed("speech to text", error)
            return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[])
        return event


def hearing(language: str, failed: Failed) -> Hearing:
    return Hearing(settings.hearing(), language, failed)


def thinking(language: str) -> openai.LLM:
    at = settings.thinking(language)
    return openai.LLM(base_url=at.url, api_key=at.key, model=at.model)


def speaking(language: str) -> openai.TTS:
    at, voice = settings.speaking(), settings.voice(language)
    return openai.TTS(
        base_url=at.url, api_key=at.key, model=at.model, voice=voice, response_format="wav"
    )


def patience() -> SessionConnectOptions:
    """No second try: a caller who is told in time says it again."""
    once = APIConnectOptions(max_retry=0, timeout=PATIENCE)
    return SessionConnectOptions(
        stt_conn_options=once,
        llm_conn_options=once,
        tts_conn_options=once,
        max_unrecoverable_errors=LIVES_ON,
    )
