"""A colour is drained when the server lists no agent of it in any room, and not before."""

from __future__ import annotations

from typing import Any

import pytest

from module_utils.finalize import drain
from module_utils.gateway import GatewayError

GREEN_SERVES = {"blue": 0, "green": 100}


class StandIn:
    """A gateway that answers as told; of the calls `talking` one ends each time it is asked."""

    def __init__(self, talking: list[dict[str, Any]], **decisions: Any) -> None:
        self.talking = talking
        self.now: dict[str, Any] = {
            "weights": GREEN_SERVES,
            "cordons": {"blue": False, "green": False},
            "lease_seconds": None,
            "by": "rollout 1",
        } | decisions
        self.decided: list[dict[str, Any]] = []
        self.broken = 0

    def decisions(self) -> dict[str, Any]:
        return self.now

    def decide(self, by: str, **parts: Any) -> dict[str, Any]:
        self.decided.append(parts)
        self.now["cordons"] |= parts["cordons"]
        self.now["by"] = by
        return self.now

    def calls(self) -> list[dict[str, Any]]:
        if self.broken:
            self.broken -= 1
            raise GatewayError("calls: the server does not answer")
        told, self.talking = self.talking, self.talking[1:]
        return told

    def state(self) -> dict[str, Any]:
        cordoned = [colour for colour, is_so in self.now["cordons"].items() if is_so]
        ours = [one for one in self.talking if one["agent"] == "default"]
        left = {one["colour"] or "blue" for one in ours}
        return {"cordoned": cordoned, "drained": [one for one in cordoned if one not in left]}


def call(colour: str | None, agent: str | None = "default") -> dict[str, Any]:
    return {"room": "r", "identity": "agent-1", "colour": colour, "agent": agent}


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "LOOK_SECONDS", 0.0)


def test_the_colour_that_is_not_in_service_is_meant() -> None:
    assert drain.choose(StandIn([]).now, None) == "blue"
    assert drain.choose(StandIn([]).now, "blue") == "blue"


@pytest.mark.parametrize(
    ("colour", "decisions", "said"),
    [
        ("green", {}, "green is in service, it gets 100 % of new rooms"),
        ("red", {}, "there is no colour 'red'; use blue or green"),
        (None, {"weights": {"blue": 25, "green": 75}}, "every colour gets new rooms"),
        (None, {"lease_seconds": 30.0}, "a rollout is in progress .rollout 1."),
    ],
)
def test_what_is_in_service_or_in_a_rollout_is_not_drained(
    colour: str | None, decisions: dict[str, Any], said: str
) -> None:
    with pytest.raises(drain.DrainError, match=said):
        drain.choose(StandIn([], **decisions).now, colour)


def test_it_is_cordoned_once() -> None:
    gateway: Any = StandIn([])
    assert drain.cordon(gateway, "blue", "drain 1", True) is True
    assert gateway.decided == []
    assert drain.cordon(gateway, "blue", "drain 1", False) is True
    assert drain.cordon(gateway, "blue", "drain 2", False) is False
    assert gateway.decided == [{"cordons": {"blue": True}, "why": "drain"}]


def test_it_is_active_then_draining_then_drained() -> None:
    gateway: Any = StandIn([call("blue"), call(None), call("green"), call("blue", "coach")])
    found = drain.look(gateway, "blue")
    assert (found.state, found.calls) == ("active", 2)
    drain.cordon(gateway, "blue", "drain 1", False)
    told: list[str] = []
    found = drain.wait(gateway, "blue", 60, told.append)
    assert (found.state, found.calls) == ("drained", 0)
    assert told[0].startswith("blue is draining: 1 call (last checked ")
    assert told[-1].startswith("blue is drained: no call (last checked ")


def test_a_call_that_the_server_lists_counts_whatever_the_gateway_has_computed() -> None:
    gateway: Any = StandIn([call("blue")] * 2, cordons={"blue": True, "green": False})
    gateway.state = lambda: {"cordoned": ["blue"], "drained": ["blue"]}
    assert drain.look(gateway, "blue").state == "draining"


def test_at_the_deadline_the_calls_that_are_left_are_told() -> None:
    gateway: Any = StandIn([call("blue")] * 50, cordons={"blue": True, "green": False})
    found = drain.wait(gateway, "blue", 0, lambda text: None)
    assert (found.state, found.calls) == ("draining", 50)


def test_while_the_server_does_not_answer_nothing_is_drained() -> None:
    gateway: Any = StandIn([], cordons={"blue": True, "green": False})
    gateway.broken = 2
    told: list[str] = []
    assert drain.wait(gateway, "blue", 60, told.append).state == "drained"
    assert told[0] == "blue: not known: calls: the server does not answer"
    gateway.broken = 1
    with pytest.raises(GatewayError):
        drain.wait(gateway, "blue", 0, told.append)


def test_a_cordon_that_somebody_lifts_ends_the_wait() -> None:
    gateway: Any = StandIn([])
    with pytest.raises(drain.DrainError, match="blue is cordoned no more: rollout 1 decided"):
        drain.wait(gateway, "blue", 60, lambda text: None)
