"""WebRTC's own counts become one line per direction, and nothing is made up."""

from __future__ import annotations

from releve.probe.media import webrtc
from releve.probe.media.webrtc import Statistics


def test_directions_of_several_calls_are_their_worst_jitter_and_all_their_packets() -> None:
    one = Statistics(500, 5, 1.5, 480_000, 4_800, 3)
    other = Statistics(500, 0, 4.25, 480_000, 0, 0)
    assert webrtc.combine([one, None, other]) == {
        "jitter_ms": 4.25,
        "packets": 1000,
        "lost": 5,
        "concealed_fraction": 0.005,
        "concealments": 3,
    }


def test_a_direction_that_plays_nothing_conceals_nothing() -> None:
    told = webrtc.combine([Statistics(500, 5, 1.5)])
    assert told is not None
    assert told["concealed_fraction"] is told["concealments"] is None


def test_what_was_not_told_is_none() -> None:
    assert webrtc.combine([]) is webrtc.combine([None]) is None
