"""What a coach's call tells the log: each turn by its stages, states, tools, errors, usage."""

from __future__ import annotations

import logging
from typing import Any

from livekit.agents import (
    AgentSession,
    AgentStateChangedEvent,
    CloseEvent,
    ErrorEvent,
    JobContext,
    MetricsCollectedEvent,
    metrics,
)
from livekit.agents.voice.events import FunctionToolsExecutedEvent

logger = logging.getLogger("coach")


class Stages:
    """Seconds from the end of the caller's speech to the first audio of the answer, by stage.

    vad: the silence that proves the end; stt: the transcript after that; wait: whether the caller
    goes on; llm: the model's first word, of both answers where a tool was called; tts: the first
    audio. Together they are the total.
    """

    def __init__(self, silence: float) -> None:
        """`silence`: seconds that the VAD waits for."""
        self._silence = silence
        self._turn: dict[str, float] | None = None

    def add(self, measured: metrics.AgentMetrics) -> dict[str, float] | None:
        """Take in one stage; the whole turn when it is complete."""
        if isinstance(measured, metrics.EOUMetrics):
            vad = min(self._silence, measured.end_of_utterance_delay)
            stt = max(0.0, measured.transcription_delay - vad)
            wait = max(0.0, measured.end_of_utterance_delay - vad - stt)
            self._turn = {"vad": vad, "stt": stt, "wait": wait, "llm": 0.0}
        elif self._turn is None:  # it speaks by itself, in no turn
            return None
        elif isinstance(measured, metrics.LLMMetrics):
            self._turn["llm"] += measured.ttft
        elif isinstance(measured, metrics.TTSMetrics):
            done = self._turn | {"tts": measured.ttfb}
            self._turn = None
            done["total"] = sum(done.values())
            return {stage: round(seconds, 3) for stage, seconds in done.items()}
        return None


def tell(session: AgentSession[Any], ctx: JobContext, silence: float) -> None:
    """Write down what happens in a session, and at the end of its job what it used.

    `silence`: seconds that its VAD waits for.
    """
    stages, usage = Stages(silence), metrics.UsageCollector()

    @session.on("metrics_collected")
    def measured(event: MetricsCollectedEvent) -> None:
        usage.collect(event.metrics)
        turn = stages.add(event.metrics)
        if turn is not None:
            logger.info("answered, by stage (s): %s", turn, extra={"stages": turn})

    @session.on("agent_state_changed")
    def state(event: AgentStateChangedEvent) -> None:
        logger.debug("%s after %s", event.new_state, event.old_state)

    @session.on("function_tools_executed")
    def tools(event: FunctionToolsExecutedEvent) -> None:
        for call, output in event.zipped():
            logger.info("tool %s: %s", call.name, output.output if output else "no result")

    @session.on("error")
    def error(event: ErrorEvent) -> None:
        logger.debug("%s of %s", event.error.error, event.source)

    @session.on("close")
    def closed(event: CloseEvent) -> None:
        logger.info("conversation ended", extra={"error": event.error})

    async def used() -> None:
        logger.info("usage: %s", usage.get_summary())

    ctx.add_shutdown_callback(used)
