"""Who gets the room: promises of the pure policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from releve.gateway import policy
from releve.gateway.policy import COLOURS, Candidate, Rank, Rules, Weights

rooms = st.text(min_size=1, max_size=40)
weights = st.integers(0, 100).map(lambda green: Weights(100 - green, green))
some_colours = st.frozensets(st.sampled_from(COLOURS))
rules = st.builds(Rules, weights=weights, cordoned=some_colours, fallback=some_colours)
candidates = st.lists(
    st.builds(
        Candidate,
        worker=st.uuids().map(str),
        colour=st.sampled_from(COLOURS),
        load=st.floats(0, 1),
        jobs=st.integers(0, 5),
        full=st.booleans(),
        cordoned=st.booleans(),
        silent=st.booleans(),
        fresh=st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda candidate: candidate.worker,
)


def ranked(workers: list[Candidate]) -> dict[policy.Colour, list[Rank]]:
    """The registry's order, made the slow way."""
    places = {
        colour: [policy.rank(item) for item in workers if item.colour == colour]
        for colour in COLOURS
    }
    return {colour: sorted(filter(None, items)) for colour, items in places.items()}


def test_a_room_keeps_its_bucket_in_every_version() -> None:
    """Figures written down once: a change here would move rooms during an upgrade of Relève."""
    assert [policy.bucket(room) for room in ("room-1", "room-2", "salle-été")] == [15, 47, 93]
    assert policy.colour_of("room-1", Weights(84, 16)) == "green"
    assert policy.colour_of("room-1", Weights(85, 15)) == "blue"


def test_rooms_spread_evenly_over_the_percentages() -> None:
    """At 30 percent about 30 of 100 rooms go to green."""
    share = sum(policy.colour_of(f"room-{n}", Weights(70, 30)) == "green" for n in range(5000))
    assert 0.27 < share / 5000 < 0.33


@given(rooms, st.integers(0, 100), st.integers(0, 100))
def test_raising_greens_weight_never_moves_a_room_from_green_to_blue(
    room: str, one: int, other: int
) -> None:
    low, high = sorted((one, other))
    if policy.colour_of(room, Weights(100 - low, low)) == "green":
        assert policy.colour_of(room, Weights(100 - high, high)) == "green"


@given(rooms)
def test_the_ends_of_the_scale_are_absolute(room: str) -> None:
    assert policy.colour_of(room, Weights(100, 0)) == "blue"
    assert policy.colour_of(room, Weights(0, 100)) == "green"


@given(rooms, rules)
def test_a_dark_colour_stands_in_only_as_fallback(room: str, decided: Rules) -> None:
    order = policy.colours_for(room, decided)
    for colour in order:
        assert decided.weights[colour] > 0 or colour in decided.fallback
    if order and policy.colour_of(room, decided.weights) in order:
        assert order[0] == policy.colour_of(room, decided.weights)


@given(rooms, rules)
def test_a_cordoned_colour_takes_nothing(room: str, decided: Rules) -> None:
    assert not set(policy.colours_for(room, decided)) & decided.cordoned
    assert not set(policy.public_colours(decided)) & decided.cordoned


@given(rooms, rules)
def test_what_the_gateway_offers_the_server_is_what_it_can_serve(room: str, decided: Rules) -> None:
    """The load reported to the server counts exactly the colours that some room may get."""
    assert set(policy.colours_for(room, decided)) == set(policy.public_colours(decided))


@given(rooms, rules, candidates)
def test_every_eligible_worker_is_asked_once(
    room: str, decided: Rules, workers: list[Candidate]
) -> None:
    order = policy.colours_for(room, decided)
    asked: list[str] = []
    while (chosen := policy.choose(order, ranked(workers), asked)) is not None:
        asked.append(chosen)
    eligible = {
        item.worker
        for item in workers
        if item.colour in order and not item.full and not item.cordoned
    }
    assert len(asked) == len(set(asked))
    assert set(asked) == eligible


@given(rooms, rules, candidates)
def test_those_that_answer_then_first_choice_then_least_loaded_then_fewest_jobs(
    room: str, decided: Rules, workers: list[Candidate]
) -> None:
    order = policy.colours_for(room, decided)
    by_id = {item.worker: item for item in workers}
    asked: list[str] = []
    while (chosen := policy.choose(order, ranked(workers), asked)) is not None:
        asked.append(chosen)
    ranks = [
        (
            by_id[name].silent,
            order.index(by_id[name].colour),
            by_id[name].load + policy.FRESH_JOB_LOAD * by_id[name].fresh,
            by_id[name].jobs,
        )
        for name in asked
    ]
    assert ranks == sorted(ranks)


@given(candidates, some_colours)
def test_capacity_is_none_only_without_a_worker_to_ask(
    workers: list[Candidate], colours: frozenset[policy.Colour]
) -> None:
    order = ranked(workers)
    load = policy.capacity(colours, order)
    assert (load is None) == (policy.choose(colours, order, ()) is None)
    assert load is None or 0 <= load <= 0.05  # below every server's target


def test_of_two_gateways_the_less_loaded_one_says_less() -> None:
    loads = [
        policy.capacity(["blue"], ranked([Candidate("w", "blue", load)])) or 0.0
        for load in (0.1, 0.5, 0.9)
    ]
    assert loads == sorted(loads)
    assert len(set(loads)) == 3


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({"blue": 50}, 'give both colours, like {"blue": 0, "green": 100}'),
        ([50, 50], 'give both colours, like {"blue": 0, "green": 100}'),
        (None, 'give both colours, like {"blue": 0, "green": 100}'),
        ({"blue": 50, "green": 50, "red": 0}, "give both colours"),
        ({"blue": 60, "green": 50}, "weights add up to 110; they must make 100"),
        ({"blue": 101, "green": -1}, "weight of blue is 101; give a whole number 0 to 100"),
        ({"blue": 99.5, "green": 0.5}, "weight of blue is 99.5; give a whole number 0 to 100"),
        ({"blue": "0", "green": 100}, "weight of blue is '0'; give a whole number 0 to 100"),
        ({"blue": 99, "green": True}, "weight of green is True; give a whole number 0 to 100"),
    ],
)
def test_weights_that_make_no_sense_are_refused_with_a_sentence(raw: object, sentence: str) -> None:
    with pytest.raises(ValueError) as mistake:
        policy.parse_weights(raw)  # type: ignore[arg-type]
    assert sentence in str(mistake.value)


@given(st.integers(0, 100))
def test_every_whole_percentage_is_accepted(green: int) -> None:
    raw = {"blue": 100 - green, "green": green}
    assert policy.parse_weights(raw).as_dict() == raw
