"""Which change is taken and what the end of a lease means: state in, decision out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from releve.gateway import policy
from releve.gateway.decisions import change as changes
from releve.gateway.decisions import epochs
from releve.gateway.decisions.change import Change
from releve.gateway.decisions.epochs import Moment, Superseded, Unserved
from releve.gateway.decisions.model import Decision, Lease, Otherwise, Tenure
from releve.gateway.policy import COLOURS, Rules, Weights

BLUE = frozenset({"blue"})
BOTH = frozenset(COLOURS)
NOW = Moment(1000.0, 1.7e9)

weights = (st.sampled_from([0, 100]) | st.integers(0, 100)).map(
    lambda green: Weights(100 - green, green)
)
colours = st.frozensets(st.sampled_from(COLOURS))
cordons = st.dictionaries(st.sampled_from(COLOURS), st.booleans())
names = st.sampled_from(["rollout 1", "rollout 2", "operator"])
rules = st.builds(Rules, weights, colours, colours)
otherwise = st.builds(
    lambda after, named, fallback: Otherwise(
        after, {c: w for c, w in named.items() if not (w and after[c])}, fallback
    ),
    weights,
    cordons,
    st.none() | colours,
)
leases = st.builds(Lease, st.floats(1, 100), st.floats(900, 1100), otherwise)
tenures = st.builds(
    Tenure, st.integers(1, 5), names, st.just("why"), st.just(1.6e9), st.none() | leases
)
decisions = st.builds(Decision, rules, tenures | st.just(Tenure()))
leased = st.builds(
    lambda decision, lease: replace(decision, tenure=replace(decision.tenure, lease=lease)),
    decisions,
    leases,
)
wanted = st.builds(
    Change,
    names,
    st.none() | st.integers(1, 8),
    st.none() | st.just("because"),
    st.none() | weights,
    cordons,
    st.none() | colours,
    lease_seconds=st.none() | st.floats(1, 100),
    otherwise=st.none() | otherwise,
    allow_unserved=st.booleans(),
)

LED_TO_GREEN = Decision(
    Rules(Weights(0, 100), frozenset(), BLUE),
    Tenure(1, "rollout 1", "", 1.6e9, Lease(15, 1000.0, Otherwise(Weights(100, 0)))),
)


@given(decisions, wanted, colours)
def test_a_change_is_taken_by_its_epoch_and_by_nothing_else(
    now: Decision, change: Change, serving: frozenset
) -> None:
    """Greater epochs, and the holder's own, are taken; all others are refused with what holds."""
    change = replace(
        change, allow_unserved=True, otherwise=change.otherwise or Otherwise(Weights())
    )
    held, epoch = now.tenure, change.epoch
    may = epoch is None or epoch > held.epoch or (epoch, change.by) == (held.epoch, held.by)
    if may:
        decided = epochs.decide(now, change, serving, NOW).tenure
        assert decided.epoch == (held.epoch + 1 if epoch is None else epoch)
        assert decided.by == change.by
    else:
        with pytest.raises(Superseded) as refusal:
            epochs.decide(now, change, serving, NOW)
        assert refusal.value.decision == now
        assert f"epoch {held.epoch} is in force" in str(refusal.value)


@given(decisions, wanted, colours)
def test_what_is_not_named_stays(now: Decision, change: Change, serving: frozenset) -> None:
    change = replace(change, epoch=None, allow_unserved=True)
    change = replace(change, otherwise=change.otherwise or Otherwise(Weights()))
    after = epochs.decide(now, change, serving, NOW).rules
    assert after.weights == (change.weights or now.rules.weights)
    assert after.fallback == (now.rules.fallback if change.fallback is None else change.fallback)
    for colour in COLOURS:
        was = colour in now.rules.cordoned
        assert (colour in after.cordoned) == change.cordons.get(colour, was)


@given(decisions, wanted, colours)
def test_no_colour_gets_weight_that_nobody_serves(
    now: Decision, change: Change, serving: frozenset
) -> None:
    change = replace(change, epoch=None, lease_seconds=None, otherwise=None)
    said = epochs.decide(now, replace(change, allow_unserved=True), serving, NOW).rules
    gains = {c for c in COLOURS if said.weights[c] > now.rules.weights[c]}
    missing = [c for c in COLOURS if c in gains and c not in serving - said.cordoned]
    if missing and not change.allow_unserved:
        with pytest.raises(Unserved) as refusal:
            epochs.decide(now, change, serving, NOW)
        assert refusal.value.colours == missing
    else:
        assert epochs.decide(now, change, serving, NOW).rules == said


@given(leased, st.floats(1, 100), colours)
def test_a_renewal_is_never_refused_for_workers_that_are_away(
    now: Decision, seconds: float, serving: frozenset
) -> None:
    held = now.tenure
    assume(held.epoch)
    assert held.lease is not None
    beat = Change(held.by, held.epoch, lease_seconds=seconds)
    decided = epochs.decide(now, beat, serving, NOW)
    assert decided.rules == now.rules
    assert decided.tenure == replace(
        held, lease=replace(held.lease, seconds=seconds, ends=NOW.monotonic + seconds)
    )


@given(decisions, wanted)
def test_a_new_lease_says_what_comes_after_it(now: Decision, change: Change) -> None:
    change = replace(change, epoch=None, allow_unserved=True)
    if change.lease_seconds is None:
        assert epochs.decide(now, change, BOTH, NOW).tenure.lease is None
    elif change.otherwise is None:
        with pytest.raises(ValueError, match="a lease needs otherwise"):
            epochs.decide(now, change, BOTH, NOW)
    else:
        ends = NOW.monotonic + change.lease_seconds
        lease = Lease(change.lease_seconds, ends, change.otherwise)
        assert epochs.decide(now, change, BOTH, NOW).tenure.lease == lease


@given(decisions, colours)
def test_a_lease_ends_in_time_and_by_the_next_epoch(now: Decision, serving: frozenset) -> None:
    lease = now.tenure.lease
    over = epochs.lease_over(now, serving, NOW)
    if lease is None or lease.ends > NOW.monotonic:
        assert over is None
        return
    assert over is not None
    assert (over.tenure.epoch, over.tenure.by) == (now.tenure.epoch + 1, "gateway")
    assert now.tenure.by in over.tenure.why
    assert over.tenure.lease is None
    assert over.rules.weights == lease.otherwise.weights
    assert not any(over.rules.weights[colour] for colour in over.rules.cordoned)
    late = Change(now.tenure.by, now.tenure.epoch, lease_seconds=10)
    with pytest.raises(Superseded):
        epochs.decide(over, late, serving, NOW)


@example(LED_TO_GREEN, frozenset({"green"}), "room")
@given(leased, colours, st.text(min_size=1, max_size=10))
def test_after_a_lease_no_room_is_silent_while_somebody_who_had_rooms_is_there(
    now: Decision, serving: frozenset, room: str
) -> None:
    over = epochs.lease_over(now, serving, Moment(2000.0, 1.7e9))
    assert over is not None
    able = {
        colour
        for colour in COLOURS
        if now.rules.weights[colour] and colour in serving and colour not in over.rules.cordoned
    }
    if able:
        assert set(policy.colours_for(room, over.rules)) & serving


def parsed(**fields: Any) -> Change:
    return changes.parse({"by": "me", "epoch": "next", **fields}, BLUE)


def test_a_change_is_read_as_the_contract_says() -> None:
    after = {"weights": {"blue": 100, "green": 0}, "cordons": {"green": True}, "fallback": None}
    assert parsed(
        epoch=4,
        why="step 2 of 4",
        weights={"blue": 75, "green": 25},
        cordons={"blue": False},
        fallback=["green"],
        lease_seconds=15,
        otherwise=after,
    ) == Change(
        "me",
        4,
        "step 2 of 4",
        Weights(75, 25),
        {"blue": False},
        frozenset({"green"}),
        lease_seconds=15.0,
        otherwise=Otherwise(Weights(), {"green": True}, BLUE),
    )
    assert parsed() == Change("me", None)
    assert parsed(fallback=None).fallback == BLUE


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"by": ""}, "by says who decides"),
        ({"by": None}, "by is a text of at most 120"),
        ({"by": "gateway"}, "and not 'gateway'"),
        ({"by": "a\nb"}, "by is a text"),
        ({"by": "x" * 121}, "by is a text"),
        ({"why": 7}, "why is a text of at most 500"),
        ({"epoch": 0}, 'epoch is a whole number from 1 to 2^53-1, or "next"'),
        ({"epoch": True}, "epoch is a whole number"),
        ({"epoch": 1.0}, "epoch is a whole number"),
        ({"epoch": None}, "epoch is a whole number"),
        ({"epoch": 2**53}, "epoch is a whole number"),
        ({"weights": {"blue": 1}}, "weights: give both colours, like"),
        ({"weights": {"blue": 60, "green": 60}}, "weights: weights add up to 120"),
        ({"cordons": ["blue"]}, "cordons is a map of colours"),
        ({"cordons": {"red": True}}, "cordons is a map of colours"),
        ({"cordons": {"blue": 1}}, "cordons: each is true or false"),
        ({"fallback": "blue"}, "fallback is a list of colours"),
        ({"fallback": [["blue"]]}, "fallback is a list of colours"),
        ({"lease_seconds": "15"}, "lease_seconds is a number"),
        ({"lease_seconds": float("nan")}, "lease_seconds is a number"),
        ({"lease_seconds": 0.5}, "lease_seconds is from 1 to 86400"),
        ({"otherwise": {}}, "give lease_seconds as well"),
        ({"lease_seconds": 5, "otherwise": {}}, "otherwise is a map with weights"),
        ({"lease_seconds": 5, "otherwise": {"weights": 1}}, "otherwise: weights: give both"),
        (
            {
                "lease_seconds": 5,
                "otherwise": {"weights": {"blue": 100, "green": 0}, "cordons": {"blue": True}},
            },
            "otherwise: blue cannot have weight and be cordoned",
        ),
        ({"allow_unserved": 1}, "allow_unserved is true or false"),
        ({"force": True}, "there is no field 'force'"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=r".") as mistake:
        parsed(**fields)
    assert sentence in str(mistake.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*changes.FIELDS, *COLOURS]), inner, max_size=5)
    ),
    max_leaves=10,
)


@given(json_values)
def test_nothing_but_a_change_or_a_sentence_comes_of_any_json(raw: object) -> None:
    try:
        assert isinstance(changes.parse(raw, BLUE), Change)
    except ValueError as error:
        assert str(error)
