"""The floor is there and back, each by its own delay; a direction nobody heard has none."""

from __future__ import annotations

import numpy as np

from releve.probe.caller import floor
from releve.probe.media import signal as sg
from releve.probe.media.echo_search import Frames

CallAudio = list[tuple[sg.Samples, float]]


def way(side: str, delay: float) -> tuple[CallAudio, Frames]:
    """Eight chirps said from second 10 on, and what the other side got of them."""
    said = [(sg.chirp(sg.seed(side, number)), 10 + number * 0.5) for number in range(8)]
    heard = np.zeros(round(8 * sg.RATE), np.float32)
    for chirp, at in said:
        first = round((at - 10 + delay) * sg.RATE)
        heard[first : first + len(chirp)] += chirp
    frame, pcm = sg.RATE // 100, sg.pcm(heard)
    return said, [(10 + k / sg.RATE, pcm[k : k + frame]) for k in range(0, len(pcm), frame)]


def test_the_floor_is_the_delay_there_and_the_delay_back() -> None:
    (said_a, heard_by_b), (said_b, heard_by_a) = way("a", 0.040), way("b", 0.065)
    # Of the way back the last chirps are lost: as many of either side are not needed.
    found = floor.there_and_back([said_a, said_b], [heard_by_b, heard_by_a[:240]])
    assert 4 <= len(found) < 8
    assert all(abs(each - 105) < 0.1 for each in found)


def test_a_direction_that_was_hardly_heard_has_no_floor() -> None:
    (said_a, heard_by_b), (said_b, heard_by_a) = way("a", 0.040), way("b", 0.065)
    assert floor.there_and_back([said_a, said_b], [heard_by_b, heard_by_a[:100]]) == []
    assert floor.there_and_back([said_a, said_b], [heard_by_b, []]) == []
    assert floor.there_and_back([said_a, said_b], [heard_by_b, heard_by_b]) == []
    assert floor.there_and_back([said_a, said_b], []) == []
