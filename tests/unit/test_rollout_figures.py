"""Gates on the gateway's figures: the new release beside the old one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releve.rollout.sources import figures
from releve.rollout.sources.figures import Arrival, Offers, Share, more
from unit.rollout_plans import plan

PLAN = plan()
BEGAN = 100.0


def test_offers_of_a_gateway_that_started_anew_are_counted_from_nothing() -> None:
    assert Offers(12, 3).since(Offers(10, 1)) == Offers(2, 2)
    assert Offers(2, 1).since(Offers(10, 0)) == Offers(2, 1)


@pytest.mark.parametrize(
    ("before", "now", "answer"),
    [
        (Offers(40, 0), Offers(60, 0), "pass"),
        (Offers(40, 0), Offers(60, 1), "fail"),
        (Offers(0, 0), Offers(0, 1), "fail"),
        (Offers(100, 20), Offers(200, 40), "pass"),  # as many were rejected before
        (Offers(100, 5), Offers(150, 55), "fail"),
    ],
)
def test_an_offer_without_an_agent_fails_unless_it_was_so_before(
    before: Offers, now: Offers, answer: str
) -> None:
    assert figures.offers(PLAN, before, now).answer == answer


@pytest.mark.parametrize(
    ("green", "blue", "answer"),
    [(2.0, 2.0, "pass"), (8.5, 2.0, "fail"), (8.5, 9.0, "inconclusive"), (None, 9.0, "pass")],
)
def test_late_audio_fails_unless_the_old_release_is_as_late(
    green: float | None, blue: float, answer: str
) -> None:
    arrivals = [Arrival("b", BEGAN - 20, blue), Arrival("early", BEGAN - 5, 9.9)]
    arrivals += [Arrival("g", BEGAN + 1, green)] if green is not None else []
    colours = {"b": "blue", "g": "green", "early": "green"}
    assert figures.agent_audio(PLAN, arrivals, colours, BEGAN).answer == answer


def job(colour: str, length: float, **changes: Any) -> dict[str, Any]:
    return {
        "agent": "default",
        "room": "room",
        "colour": colour,
        "state": "ended",
        "started": BEGAN + 1,
        "ended": BEGAN + 1 + length,
        **changes,
    }


def ended(colour: str, early: int, late: int, **changes: Any) -> list[dict[str, Any]]:
    return [job(colour, 2, **changes)] * early + [job(colour, 200, **changes)] * late


@pytest.mark.parametrize(
    ("green", "answer"),
    [
        (ended("green", 1, 40), "pass"),
        (ended("green", 15, 25), "fail"),
        (ended("green", 4, 5), "pass"),  # too few to say anything
        (ended("green", 30, 0, room="releve-arrival-1"), "pass"),
        (ended("green", 30, 0, started=BEGAN - 9), "pass"),
        (ended("green", 30, 0, agent="coach"), "pass"),
        (ended("green", 30, 0, state="detached"), "pass"),
    ],
)
def test_calls_that_end_within_seconds_fail_beside_the_old_release(
    green: list[dict[str, Any]], answer: str
) -> None:
    assert figures.early_ends(PLAN, ended("blue", 1, 40) + green, BEGAN).answer == answer


def test_a_worker_must_be_there_again_before_long() -> None:
    assert figures.serving(PLAN, 14.9).answer == "pass"
    assert figures.serving(PLAN, 15.0).answer == "fail"


SHARES = st.builds(
    lambda all_, part: Share(min(part, all_), all_), st.integers(1, 500), st.integers(0, 500)
)


@given(SHARES, SHARES)
def test_more_is_never_said_of_less_and_never_of_both(one: Share, other: Share) -> None:
    if more(one, other):
        assert one.part > other.part
        assert not more(other, one)
