"""The app in a browser: what the page recorded is turned into round trips exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from releve.keys import Keys
from releve.probe.app import in_browser
from releve.probe.caller.join import Server
from releve.probe.judgement import gates
from releve.probe.media import echo_search, signal

CHIRPS = 20


def recording(delay: float, room: str = "room", began: float = 2.345) -> bytes:
    """What the page would send: the loop heard from `began` seconds in, and its late echo."""
    seconds = CHIRPS * in_browser.GAP + signal.CHIRP_SECONDS + 1.2
    count = round(seconds * signal.RATE) // in_browser.BLOCK * in_browser.BLOCK
    mine = np.roll(in_browser.voice_of(room, CHIRPS), -round(began * signal.RATE))
    mine = np.resize(mine, count)
    theirs = np.roll(mine, round(delay * signal.RATE)) * np.float32(0.5)
    sides = np.stack([side.reshape(-1, in_browser.BLOCK) for side in (mine, theirs)], axis=1)
    return sides.astype(np.float32).tobytes()


@pytest.mark.parametrize("delay", [0.05, 0.123, 0.4])
def test_a_known_delay_is_found_in_the_pages_recording(delay: float) -> None:
    said = in_browser.heard_in(recording(delay), "room", CHIRPS)
    found = echo_search.analyse(said, 1.2)
    assert len(found.rtts_ms) == CHIRPS
    assert found.rtts_ms == pytest.approx([delay * 1000] * CHIRPS, abs=0.1)
    assert found.longest_silence_ms < 25


def test_the_recording_of_another_call_holds_none_of_our_chirps() -> None:
    said = in_browser.heard_in(recording(0.1, "other"), "room", CHIRPS)
    assert said.chirps == []


def test_the_loop_of_the_microphone_has_no_seam() -> None:
    voice = in_browser.voice_of("room", CHIRPS)
    assert len(voice) % signal.BED_BLOCK == 0
    assert np.abs(np.diff(np.concatenate((voice[-100:], voice[:10])))).max() < 0.03


async def test_a_library_that_is_not_there_is_said_before_anything_is_called(
    tmp_path: Path,
) -> None:
    server = Server("ws://127.0.0.1:9", Keys("key", "s" * 40))
    with pytest.raises(FileNotFoundError):
        await in_browser.run(
            server, "b", "green", gates.of("app"), chirps=20, library=tmp_path / "none.js"
        )
