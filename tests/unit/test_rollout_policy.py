"""What a rollout does next, by the thousand: whatever gates, operators and crashes come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from releve.rollout.journal import Entry
from releve.rollout.plan import Plan
from releve.rollout.policy import (
    Decision,
    Next,
    Seen,
    asked,
    following,
    in_force,
    look_due,
    wanted,
)
from releve.rollout.state import Answer, State, after, fold
from unit.rollout_plans import plan

BOOT = "boot"
PASS, FAIL, UNSURE = Answer("pass"), Answer("fail", ("no",)), Answer("inconclusive", ("who knows",))
COMPARING = {
    "schedule": [
        {"weight": 5, "seconds": 30},
        {"weight": 25, "seconds": 60, "compare": True},
        {"weight": 100, "seconds": 90, "approve": True},
    ],
    "comparison": {"looks": [["one"], ["two"], ["three"]]},
    "inconclusive": {"seconds": 120, "then": "wait"},
}


@dataclass
class Gateway:
    """The contract of PUT /decisions, without I/O."""

    epoch: int = 3
    by: str = "operator"
    weights: dict[str, int] = field(default_factory=lambda: {"blue": 100, "green": 0})
    until: float | None = None
    otherwise: dict[str, int] = field(default_factory=dict)
    put_by: list[tuple[str, dict[str, int]]] = field(default_factory=list)

    def at(self, now: float) -> None:
        if self.until is not None and now >= self.until:
            self.epoch, self.by, self.until = self.epoch + 1, "gateway", None
            self.weights = self.otherwise

    def decision(self) -> Decision:
        return Decision(self.epoch, self.by, self.weights, self.until is not None, "because")

    def put(self, plan: Plan, state: State, now: float) -> bool:
        want = wanted(plan, state)
        assert want is not None
        assert state.epoch is not None
        if not (state.epoch > self.epoch or (state.epoch == self.epoch and self.by == plan.by)):
            return False
        self.epoch, self.by, self.weights = state.epoch, plan.by, dict(want.weights)
        self.until = now + plan.lease_seconds if want.leased else None
        self.otherwise = plan.weights(0)
        self.put_by.append((plan.by, dict(want.weights)))
        return True

    def operate(self) -> None:
        self.epoch, self.by, self.until = self.epoch + 1, "operator", None
        self.weights = {"blue": 100, "green": 0}


@dataclass
class World:
    """A controller that is only policy and journal, its gateway, and a clock."""

    plan: Plan
    gateway: Gateway = field(default_factory=Gateway)
    now: float = 1000.0
    boot: str = BOOT
    gates: dict[str, Answer] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    state: State = field(default_factory=State)
    heard: bool = False

    def __post_init__(self) -> None:
        self.happen(Next("began", {"plan": self.plan.kept()}))

    def happen(self, what: Next) -> None:
        entry = Entry(what.event, self.now, "", self.boot, what.facts)
        self.entries.append(entry)
        self.state = after(self.state, entry)

    def seen(self) -> Seen:
        decision = self.gateway.decision() if self.heard else None
        return Seen(self.now, self.boot, decision, self.gates)

    def settle(self, reach: bool = True) -> None:
        """Everything that follows from this moment; the gateway answers if it is in reach."""
        self.gateway.at(self.now)
        self.heard = reach
        for _ in range(50):
            if (what := following(self.plan, self.state, self.seen())) is not None:
                self.happen(what)
                continue
            want = wanted(self.plan, self.state)
            if want is None or not reach:
                return
            held = in_force(self.plan, self.state, self.gateway.decision())
            if held and not want.leased:
                return
            if not self.gateway.put(self.plan, self.state, self.now):
                what = following(self.plan, self.state, self.seen())
                assert what is not None
                assert what.event == "ended"
                self.happen(what)
                return
            if held:
                return
        raise AssertionError("it does not come to rest")

    def restart(self) -> None:
        """All that a new process knows is the journal, read back from its text."""
        lines = [json.loads(entry.line()) for entry in self.entries]
        own = ("event", "t", "at", "boot")
        read = [
            Entry(
                **{n: line[n] for n in own}, facts={n: v for n, v in line.items() if n not in own}
            )
            for line in lines
        ]
        assert fold(read) == self.state
        self.state, self.heard = fold(read), False

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def watch(self, seconds: int) -> None:
        """So many seconds go by, with a look at each of them."""
        for _ in range(seconds):
            self.settle()
            self.pass_time(1)
        self.settle()

    @property
    def events(self) -> list[str]:
        return [entry.event for entry in self.entries]


def test_a_rollout_without_trouble_goes_through_its_schedule_and_ends_without_a_lease() -> None:
    world = World(plan())
    seen: list[int] = []
    for _ in range(200):
        world.settle()
        seen.append(world.gateway.weights["green"])
        world.pass_time(1)
    assert list(dict.fromkeys(seen)) == [25, 100]
    assert (seen.count(25), world.state.verdict) == (60, "passed")
    assert world.gateway.until is None
    assert world.gateway.epoch == 4


def test_a_failed_gate_goes_back_in_the_same_moment() -> None:
    world = World(plan())
    world.settle()
    world.pass_time(7)
    world.gates = {"calls": Answer("fail", ("dropped is 1",)), "harm": UNSURE}
    world.settle()
    assert world.gateway.weights == {"blue": 100, "green": 0}
    assert (world.state.verdict, world.state.reason) == ("rolled_back", "gate calls: dropped is 1")
    assert world.gateway.until is None


def test_a_gate_without_an_answer_holds_the_weights_until_it_has_one() -> None:
    world = World(plan())
    world.settle()
    world.gates = {"harm": UNSURE}
    for _ in range(100):
        world.pass_time(1)
        world.settle()
    assert (world.state.phase, world.gateway.weights["green"]) == ("holding", 25)
    world.gates = {"harm": PASS}
    world.settle()
    assert world.gateway.weights["green"] == 100


@pytest.mark.parametrize("then", ["go_back", "wait"])
def test_no_answer_until_the_deadline_is_the_plans_choice(then: str) -> None:
    world = World(plan(inconclusive={"seconds": 50, "then": then}))
    world.gates = {"harm": UNSURE}
    for _ in range(60 + 49):
        world.settle()
        world.pass_time(1)
    assert world.state.phase == "holding"
    for _ in range(10):
        world.settle()
        world.pass_time(1)
    if then == "go_back":
        assert world.state.verdict == "rolled_back"
        assert world.state.reason == "no answer within 50 s: gate harm: who knows"
        return
    assert (world.state.phase, world.gateway.weights["green"]) == ("waiting", 25)
    assert world.gateway.until is not None
    world.gates = {"harm": PASS}  # a person was asked, so a person answers
    world.settle()
    assert world.state.phase == "waiting"
    world.happen(Next("approved", {"by": "me"}))
    world.settle()
    assert world.gateway.weights["green"] == 100


def test_what_waits_for_a_person_still_goes_back() -> None:
    world = World(plan(inconclusive={"seconds": 0, "then": "wait"}))
    world.gates = {"harm": UNSURE}
    for _ in range(70):
        world.settle()
        world.pass_time(1)
    assert world.state.phase == "waiting"
    world.gates = {"record": FAIL}
    world.settle()
    assert world.state.verdict == "rolled_back"


def test_resume_where_a_person_is_waited_for_asks_the_gates_again() -> None:
    world = World(plan(inconclusive={"seconds": 10, "then": "wait"}))
    world.gates = {"harm": UNSURE}
    for _ in range(80):
        world.settle()
        world.pass_time(1)
    world.happen(Next("resumed", {"by": "me"}))
    world.settle()
    assert world.state.phase == "holding"
    world.gates = {}
    world.settle()
    assert world.gateway.weights["green"] == 100


def test_a_step_that_asks_for_it_waits_for_approval_and_is_watched_meanwhile() -> None:
    schedule = [{"weight": 25, "seconds": 10}, {"weight": 100, "seconds": 10, "approve": True}]
    world = World(plan(schedule=schedule))
    assert asked(world.state, "approve") == "nothing waits for an approval now"
    for _ in range(100):
        world.settle()
        world.pass_time(1)
    assert (world.state.phase, world.gateway.weights["green"]) == ("approval", 25)
    assert world.events.count("approval") == 1
    assert asked(world.state, "approve") == Next("approved")
    breach = replace_gates(world, {"calls": FAIL})
    assert breach.state.verdict == "rolled_back"
    world.happen(Next("approved", {"by": "me"}))
    world.settle()
    assert world.gateway.weights["green"] == 100


def replace_gates(world: World, gates: dict[str, Answer]) -> World:
    """What would come of these gates, in a world of its own."""
    other = replace(
        world, gateway=replace(world.gateway), entries=[], state=world.state, gates=gates
    )
    other.state, other.entries = world.state, list(world.entries)
    other.settle()
    return other


def test_paused_weights_stay_and_are_watched() -> None:
    world = World(plan())
    world.settle()
    world.happen(Next("paused", {"by": "me"}))
    for _ in range(200):
        world.pass_time(1)
        world.settle()
    assert (world.state.phase, world.gateway.weights["green"]) == ("stepping", 25)
    assert replace_gates(world, {"calls": FAIL}).state.verdict == "rolled_back"
    world.happen(Next("resumed", {"by": "me"}))
    world.settle()
    assert world.gateway.weights["green"] == 100


def test_an_epoch_that_somebody_else_took_is_the_end_and_nothing_is_touched() -> None:
    world = World(plan())
    world.settle()
    world.gateway.operate()
    world.gateway.weights = {"blue": 40, "green": 60}
    put = len(world.gateway.put_by)
    world.gates = {"calls": FAIL}
    world.settle()
    assert (world.state.verdict, len(world.gateway.put_by)) == ("superseded", put)
    assert world.gateway.weights == {"blue": 40, "green": 60}


def test_of_two_that_take_the_same_epoch_the_second_ends() -> None:
    world = World(plan())
    world.heard = True
    for event in ("epoch", "step"):
        what = following(world.plan, world.state, world.seen())
        assert what is not None
        assert what.event == event
        world.happen(what)
    world.gateway.epoch, world.gateway.by = 4, "rollout other"
    world.settle()
    assert (world.state.verdict, world.gateway.put_by) == ("superseded", [])


def test_a_lease_that_ran_out_is_a_rollback_made_by_the_gateway() -> None:
    world = World(plan())
    world.settle()
    world.pass_time(31)
    world.settle()
    assert (world.state.verdict, world.state.reason) == ("rolled_back", "because")
    assert world.gateway.weights == {"blue": 100, "green": 0}


def test_a_predecessor_that_went_back_and_could_not_write_it_down_is_believed() -> None:
    world = World(plan())
    world.settle()
    world.gateway.weights, world.gateway.until = {"blue": 100, "green": 0}, None
    world.restart()
    world.settle()
    assert world.state.verdict == "rolled_back"
    assert "the gateway gives green 0 % without a lease" in str(world.state.reason)


def test_a_restarted_host_goes_back() -> None:
    world = World(plan())
    world.settle()
    world.boot, world.now = "another", 20.0
    world.gateway.until = 25.0
    world.restart()
    world.settle()
    assert (world.state.verdict, world.gateway.weights["green"]) == ("rolled_back", 0)
    assert "the host was restarted" in str(world.state.reason)


def test_before_the_first_move_a_breach_moves_nothing() -> None:
    world = World(plan())
    world.gates = {"record": FAIL}
    world.settle()
    assert (world.state.verdict, world.gateway.put_by) == ("rolled_back", [])
    assert world.state.reason == "nothing was moved: gate record: no"


def test_an_old_colour_without_workers_gets_its_rooms_back_by_force() -> None:
    world = World(plan())
    world.settle()
    world.gates = {"calls": FAIL}
    what = following(world.plan, world.state, world.seen())
    assert what is not None
    world.happen(what)
    plain = wanted(world.plan, world.state)
    assert plain is not None
    assert (plain.back, plain.forced) == (True, False)
    refused = replace(world.seen(), refused=True)
    assert following(world.plan, world.state, refused) == Next("unserved", {"colour": "blue"})
    world.happen(Next("unserved", {"colour": "blue"}))
    forced = wanted(world.plan, world.state)
    assert forced is not None
    assert forced.forced
    assert following(world.plan, world.state, refused) is None


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (["pass"], "goes on"),
        (["fail", "pass"], "goes on"),
        (["fail", "fail"], "rolled back"),
        (["fail", "inconclusive", "pass"], "goes on"),
        (["inconclusive", "fail"], "rolled back"),
        (["inconclusive", "inconclusive", "inconclusive"], "held"),
        (["inconclusive", "inconclusive", "inconclusive", "pass"], "goes on"),
    ],
)
def test_a_comparison_looks_again_before_it_says_no(answers: list[str], outcome: str) -> None:
    world = World(plan(**COMPARING))
    for answer in answers:
        for _ in range(500):
            world.settle()
            if (number := look_due(world.plan, world.state, world.now)) is not None:
                break
            world.pass_time(1)
        assert number == min(len(world.state.looks), 2)
        world.happen(Next("compared", {"answer": answer, "reason": "r", "look": 1}))
    world.watch(61)
    found = {"approval": "goes on", "ended": "rolled back", "holding": "held"}
    assert found[world.state.phase] == outcome


def test_each_step_that_asks_for_it_is_approved_by_itself() -> None:
    steps = [{"weight": w, "seconds": 5, "approve": True} for w in (25, 50, 100)]
    world = World(plan(schedule=steps))
    for green in (0, 25, 50):
        world.watch(20)
        assert (world.state.phase, world.gateway.weights["green"]) == ("approval", green)
        world.happen(Next("approved", {"by": "me"}))
    world.watch(20)
    assert world.state.verdict == "passed"


def test_approving_the_next_step_does_not_answer_for_a_gate_of_this_one() -> None:
    schedule = [{"weight": 25, "seconds": 10}, {"weight": 100, "seconds": 10, "approve": True}]
    world = World(plan(schedule=schedule))
    world.watch(20)
    assert world.state.phase == "approval"
    world.gates = {"harm": UNSURE}
    world.watch(5)
    assert world.state.phase == "approval"
    world.happen(Next("approved", {"by": "me"}))
    world.settle()
    assert (world.state.phase, world.gateway.weights["green"]) == ("holding", 25)
    assert asked(world.state, "approve") == Next("approved")
    world.happen(Next("approved", {"by": "me"}))
    world.settle()
    assert world.gateway.weights["green"] == 100


ANSWERS = st.sampled_from([PASS, PASS, PASS, PASS, UNSURE, UNSURE, FAIL])
STEPS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "weight": st.integers(1, 99),
        "seconds": st.integers(1, 40),
        "approve": st.booleans(),
        "compare": st.booleans(),
    }
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps = draw(st.lists(STEPS, max_size=4, unique_by=lambda step: step["weight"]))
    schedule = [*sorted(steps, key=lambda step: step["weight"]), draw(STEPS) | {"weight": 100}]
    comparing = any(step["compare"] for step in schedule)
    return plan(
        schedule=schedule,
        comparison={"looks": [["x"]] * draw(st.integers(1, 3))} if comparing else None,
        inconclusive=draw(
            st.fixed_dictionaries(
                {"seconds": st.integers(0, 60), "then": st.sampled_from(["go_back", "wait"])}
            )
        ),
        lease_seconds=draw(st.integers(5, 60)),
    )


HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.just("time"), st.integers(1, 30)),
        st.tuples(st.just("gate"), ANSWERS),
        st.tuples(st.just("wish"), st.sampled_from(["approve", "pause", "resume"])),
        st.tuples(st.just("looked"), st.sampled_from(["pass", "fail", "inconclusive"])),
        st.tuples(st.just("away"), st.integers(1, 90)),
        st.tuples(st.just("killed"), st.integers(1, 90)),
        st.tuples(st.just("operator"), st.none()),
    ),
    max_size=60,
)


def live(world: World, happenings: list[tuple[str, Any]]) -> Iterator[str]:
    """Let it all happen, and give what did after each."""
    world.settle()
    yield "began"
    for kind, what in happenings:
        if kind == "time":
            for _ in range(what):
                world.pass_time(1)
                world.settle()
        elif kind == "gate":
            world.gates = {"calls": what}
            world.settle()
        elif kind == "wish":
            if isinstance(answer := asked(world.state, what), Next):
                world.happen(Next(answer.event, {"by": "me"}))
            world.settle()
        elif kind == "looked":
            if look_due(world.plan, world.state, world.now) is not None:
                world.happen(Next("compared", {"answer": what, "reason": "r", "look": 1}))
            world.settle()
        elif kind == "away":  # the gateway; the controller goes on looking
            for _ in range(what):
                world.pass_time(1)
                world.settle(reach=False)
            world.settle()
        elif kind == "killed":
            world.pass_time(what)
            world.restart()
            world.settle()
        elif kind == "operator":
            world.gateway.operate()
            world.settle()
        yield kind


@settings(max_examples=1500, deadline=None)
@given(plans(), HAPPENINGS)
def test_whatever_comes_the_weights_are_those_of_the_plan_or_all_back(
    plan: Plan, happenings: list[tuple[str, Any]]
) -> None:
    world = World(plan)
    weights = [0, *(step.weight for step in plan.schedule)]
    failed = False
    for kind in live(world, happenings):
        green = world.gateway.weights["green"]
        assert green in weights
        before = world.state.verdict
        if world.gates.get("calls") == FAIL and kind != "operator":
            failed = True
        if failed:  # never beyond a failed gate
            assert world.state.phase == "ended"
            assert green == 0 or before in ("passed", "superseded")
        if world.state.phase != "ended":
            assert green == world.state.weight
            assert (world.gateway.until is not None) == (world.state.step > 0)
        elif world.state.verdict == "superseded":
            assert world.gateway.by != plan.by
        elif world.gateway.by in (plan.by, "gateway"):
            assert green == (100 if world.state.verdict == "passed" else 0)
            assert world.gateway.until is None
    puts = [moved["green"] for _, moved in world.gateway.put_by]
    forward = [green for green in dict.fromkeys(puts) if green > 0]
    assert forward == weights[1 : len(forward) + 1]  # each step in its turn, none left out
    if 0 in puts:
        assert set(puts[puts.index(0) :]) == {0}  # what went back stays back


@settings(max_examples=500, deadline=None)
@given(plans(), HAPPENINGS, st.data())
def test_a_restart_from_any_part_of_the_journal_goes_on_from_there(
    plan: Plan, happenings: list[tuple[str, Any]], data: st.DataObject
) -> None:
    """The next action is the one that the controller took, or would have taken, at that moment."""
    world = World(plan)
    told: list[tuple[State, Seen, Next | None]] = []
    happen = world.happen

    def recorded(what: Next) -> None:
        told.append((world.state, world.seen(), following(plan, world.state, world.seen())))
        happen(what)

    world.happen = recorded  # type: ignore[method-assign]
    for _ in live(world, happenings):
        pass
    cut = data.draw(st.integers(0, len(told)))
    if cut < len(told):
        state, seen, action = told[cut]
        restarted = fold(world.entries[: cut + 1])
        assert restarted == state
        assert following(plan, restarted, seen) == action
        assert wanted(plan, restarted) == wanted(plan, state)


@settings(max_examples=300, deadline=None)
@given(plans(), HAPPENINGS)
def test_it_always_comes_to_an_end_when_operators_answer(
    plan: Plan, happenings: list[tuple[str, Any]]
) -> None:
    """Without a lease that is left behind, and entirely one colour's."""
    world = World(plan)
    for _ in live(world, happenings):
        pass
    world.gates = {}
    for _ in range(2000):
        if world.state.phase == "ended":
            break
        if look_due(plan, world.state, world.now) is not None:
            world.happen(Next("compared", {"answer": "pass", "reason": "", "look": 1}))
        for wish in ("approve", "resume"):
            if isinstance(answer := asked(world.state, wish), Next):  # type: ignore[arg-type]
                world.happen(Next(answer.event, {"by": "me"}))
        world.settle()
        world.pass_time(1)
    assert world.state.phase == "ended"
    assert world.gateway.until is None
    assert set(world.gateway.weights.values()) == {0, 100}


@settings(max_examples=300, deadline=None)
@given(plans(), HAPPENINGS)
def test_a_controller_that_never_comes_back_leaves_everything_to_the_old_colour(
    plan: Plan, happenings: list[tuple[str, Any]]
) -> None:
    world = World(plan)
    for _ in live(world, happenings):
        pass
    running = world.state.phase != "ended"
    world.pass_time(plan.lease_seconds)
    world.gateway.at(world.now)
    if running:
        assert world.gateway.weights == {"blue": 100, "green": 0}
