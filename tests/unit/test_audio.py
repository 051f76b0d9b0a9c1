"""What a probe says, frame by frame, and when it is said."""

from __future__ import annotations

import time

import numpy as np
import pytest

from releve.probe.media import signal
from releve.probe.media.audio import OutgoingAudio

BED_HERTZ = 250


@pytest.mark.parametrize("frame_ms", [20, 100])
async def test_the_bed_goes_on_unbroken_from_frame_to_frame(frame_ms: int) -> None:
    voice = OutgoingAudio(BED_HERTZ, frame_ms)
    frames = [voice.frame() for _ in range(3)]
    assert {len(frame) for frame in frames} == {signal.RATE * frame_ms // 1000}
    whole = signal.pcm(signal.bed(BED_HERTZ, 0, sum(map(len, frames))))
    np.testing.assert_allclose(np.concatenate(frames), whole, atol=1)


@pytest.mark.parametrize("frame_ms", [20, 100])
async def test_a_chirp_is_said_when_what_waits_before_it_has_been(frame_ms: int) -> None:
    voice = OutgoingAudio(BED_HERTZ, frame_ms)
    chirp = signal.chirp(7)
    said = voice.say(chirp)
    before = time.monotonic()
    frames = [voice.frame(ahead=5.0) for _ in range(4)]
    assert 5.0 <= said.result() - before <= 5.0 + (time.monotonic() - before)
    match = signal.find(chirp, np.concatenate(frames).astype(np.float32) / 32768)
    assert match is not None
    assert abs(match.index) < 1
