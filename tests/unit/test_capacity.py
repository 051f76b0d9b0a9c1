"""How many calls a host is made to carry, and how close new rooms follow each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releve.probe.host import capacity

CORES = st.integers(1, 64)


@pytest.mark.parametrize(
    ("cores", "before", "with_one", "own", "calls"),
    [
        (2, 0.0, 0.7, 0.1, 1),  # a small slow host: one call is more than its share
        (2, 0.0, 0.1, 0.03, 2),
        (8, 0.5, 0.7, 0.05, 3),  # never more than three
        (8, 5.0, 5.2, 0.05, 1),  # busy already
        (2, 1.1, 1.1, 0.06, 1),  # no difference was seen: the caller's own part tells
    ],
)
def test_as_many_calls_as_the_host_carries(
    cores: int, before: float, with_one: float, own: float, calls: int
) -> None:
    assert capacity.held_calls(cores, before, with_one, own).calls == calls


@given(CORES, st.floats(0, 64), st.floats(0, 64), st.floats(0, 1))
def test_there_is_always_a_call_and_never_a_crowd(
    cores: int, before: float, with_one: float, own: float
) -> None:
    sized = capacity.held_calls(cores, before, with_one, own)
    assert 1 <= sized.calls <= capacity.MOST_CALLS
    assert f"of {cores} cores" in sized.why


@given(CORES, st.floats(0, 64), st.floats(0.1, 10))
def test_rooms_of_a_burst_keep_a_distance_that_still_is_a_burst(
    cores: int, busy: float, cost: float
) -> None:
    spacing = capacity.room_spacing(cores, busy, cost)
    assert capacity.CLOSEST_SECONDS <= spacing <= capacity.FARTHEST_SECONDS


def test_a_fuller_host_gets_its_rooms_farther_apart() -> None:
    assert capacity.room_spacing(2, 0.2, 1.3) < capacity.room_spacing(2, 1.2, 1.3)


def test_the_kernel_is_asked_for_what_it_tells() -> None:
    busy = capacity.CpuMeter()
    total = capacity.busy_seconds()
    assert total > 0
    assert busy.seconds() >= 0
    waiting = capacity.waiting_seconds()
    assert waiting is None or waiting >= 0
