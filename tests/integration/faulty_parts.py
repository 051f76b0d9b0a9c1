"""Run by green's own Python: each service, each way to fail. Prints `kept`.

The whole of it, with a voice and an ear, is in test_coach.py, for some of them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

sys.path.insert(0, str(Path(__file__).parents[2] / "agent_src" / "green"))
sys.path.insert(0, str(Path(__file__).parents[2] / "agent_src" / "shared"))

import coach
import services
from faulty_services import Fault, FaultyServices
from livekit import rtc
from livekit.agents import ModelSettings, llm

services.PATIENCE = 0.5  # for `slow`; the others fail before


class Told(coach.Coach):
    """A coach that keeps what failed in place of saying sorry."""

    def __init__(self) -> None:
        self.told: list[str] = []
        super().__init__("en", llm.ChatContext.empty())

    def failed(self, service: str, error: object) -> None:
        self.told.append(f"{service}: {coach._why(error)}")

    def _get_activity_or_raise(self) -> SimpleNamespace:
        options = SimpleNamespace(conn_options=services.patience())
        return SimpleNamespace(llm=self.llm, tts=self.tts, session=options)


async def heard(agent: Told) -> int:
    """How many texts there are in a second of sound."""
    once = services.patience().stt_conn_options
    event = await agent.stt.recognize([rtc.AudioFrame.create(16000, 1, 16000)], conn_options=once)
    return len(event.alternatives)


async def thought(agent: Told) -> int:
    chunks = agent.llm_node(llm.ChatContext.empty(), [], ModelSettings())
    return len([chunk async for chunk in chunks])


async def spoken(agent: Told) -> int:
    async def words() -> AsyncIterator[str]:
        yield "This is a sentence that is long enough to be said."

    return len([frame async for frame in agent.tts_node(words(), ModelSettings())])


PARTS = {
    "speech to text": ("transcriptions", heard),
    "language model": ("completions", thought),
    "text to speech": ("audio/speech", spoken),
}


async def main() -> None:
    for service, (path, ask) in PARTS.items():
        for fault in get_args(Fault):
            proxy = FaultyServices("http://127.0.0.1:1/v1")
            proxy.faults = {path: fault}
            os.environ["COACH_URL"] = f"http://127.0.0.1:{await proxy.start()}/v1"
            agent = Told()
            given = await ask(agent)
            assert given == 0, (service, fault, given)
            assert len(agent.told) == 1, (service, fault, agent.told)
            assert agent.told[0].startswith(f"{service}: "), agent.told
            await proxy.stop()
    print("kept")


asyncio.run(main())
