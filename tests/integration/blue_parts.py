"""Run by blue's own Python: the parts of its coach that need no server. Prints `kept`."""

from __future__ import annotations

import array
import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "agent_src" / "blue"))

from energy import EnergyVAD
from livekit import rtc
from livekit.agents.vad import VADEvent, VADEventType

RATE = 48000


def sound(seconds: float, loudness: int) -> list[rtc.AudioFrame]:
    """Frames of 10 ms, `loudness` of 32768 being their RMS."""
    samples = array.array("h", [loudness, -loudness] * (RATE // 200)).tobytes()
    return [rtc.AudioFrame(samples, RATE, 1, RATE // 100) for _ in range(round(seconds * 100))]


async def spoken(frames: list[rtc.AudioFrame]) -> list[VADEvent]:
    """Where speech begins and ends in what a detector is given."""
    stream = EnergyVAD().stream()
    for frame in frames:
        stream.push_frame(frame)
    await stream.aclose()
    return [event async for event in stream if event.type != VADEventType.INFERENCE_DONE]


async def main() -> None:
    # A voice in a quiet room is one speech, with a little of what was before it.
    quiet, voice = sound(1.0, 20), sound(0.8, 3000)
    begin, end = await spoken(quiet + voice + quiet)
    assert begin.type == VADEventType.START_OF_SPEECH, begin
    assert end.type == VADEventType.END_OF_SPEECH, end
    heard = len(end.frames) / 100
    assert 1.5 <= heard <= 1.7, heard  # 0.3 before it, 0.8, 0.5 of silence
    # A click is no voice, nor is a room that is not quiet; a voice in it is.
    assert await spoken(quiet + sound(0.05, 3000) + quiet) == []
    assert await spoken(sound(3.0, 120)) == []
    assert len(await spoken(sound(3.0, 120) + voice + sound(1.0, 120))) == 2
    # A noise that begins, and stays, is a voice only at first.
    begin, end = await spoken(quiet + sound(20.0, 800))
    assert end.duration < 10, end.duration
    print("kept")


asyncio.run(main())
