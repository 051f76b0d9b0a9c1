"""A replaced server is up when it answers and everybody is registered again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.gateway import GatewayError, NoGateway
from module_utils.server import health
from module_utils.stack import StackError

BOTH = {"gateway", "blue", "green"}


class Server:
    """A container, what it answers, and who is registered; each may change with every look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running, self.restarts, self.ok = True, 0, True
        self.who: list[Any] = [BOTH]
        self.asked: list[tuple[str, ...]] = []
        monkeypatch.setattr(health, "answers", self._answers)

    def _answers(self, pid: int, port: int, addresses: list[str]) -> bool:
        self.asked.append((str(pid), str(port), *addresses))
        return self.ok

    def find(self) -> Any:
        state = {"Running": self.running, "Restarting": False, "Pid": 7 if self.running else 0}
        networks = {"Networks": {"shop": {"IPAddress": "172.18.0.2"}}}
        attrs = {"State": state, "RestartCount": self.restarts, "NetworkSettings": networks}
        return SimpleNamespace(attrs=attrs, logs=lambda tail: b"started\nno such address\n")

    def registered(self) -> set[str]:
        said = self.who.pop(0) if len(self.who) > 1 else self.who[0]
        if isinstance(said, Exception):
            raise said
        return set(said)

    def missing(self, before: set[str] = BOTH, seconds: float = 60) -> str | None:
        looks = health.Health(self.find, self.registered, seconds, pause=lambda _: None)
        return looks.missing(7880, before)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_it_is_up_as_soon_as_both_colours_are_back(server: Server) -> None:
    server.who = [set(), {"gateway"}, {"gateway", "blue"}, StackError("not yet"), BOTH]
    assert server.missing() is None
    assert server.who == [BOTH]
    assert server.asked[0] == ("7", "7880", "127.0.0.1", "172.18.0.2")


def test_who_was_not_there_before_is_not_waited_for(server: Server) -> None:
    server.who = [{"blue"}]
    assert server.missing({"blue"}) is None
    assert server.missing(set()) is None


def test_who_does_not_come_back_is_named(server: Server) -> None:
    server.who = [{"gateway", "blue"}]
    assert server.missing(seconds=0) == "green did not register again within 0 s"


def test_a_server_that_does_not_answer_is_told(server: Server) -> None:
    server.ok = False
    assert server.missing(seconds=0) == "the server did not answer at port 7880 within 0 s"


@pytest.mark.parametrize(("running", "restarts"), [(False, 0), (True, 1)])
def test_one_that_ended_by_itself_is_not_waited_for(
    server: Server, running: bool, restarts: int
) -> None:
    server.running, server.restarts, server.ok = running, restarts, False
    assert server.missing() == "the server ended, it said: no such address"


class AGateway:
    def __init__(self, said: Any) -> None:
        self._said = said

    def state(self) -> Any:
        if isinstance(self._said, Exception):
            raise self._said
        return self._said


def state(up: bool, *colours: str) -> dict[str, Any]:
    return {
        "upstreams": [{"connected": up}],
        "workers": [{"colour": one, "peer": "172.18.0.3"} for one in colours],
    }


@pytest.mark.parametrize(
    ("direct", "said", "who"),
    [
        (True, NoGateway("none"), {"blue"}),
        (False, NoGateway("none"), set()),
        (False, state(True, "blue", "green", "green"), BOTH),
        (False, state(True, "green"), {"gateway", "green"}),
        (False, state(False, "blue", "green"), set()),  # behind a gateway that is not registered
        (True, GatewayError("silent"), set()),
    ],
)
def test_who_is_registered_is_the_gateways_word_and_the_kernels(
    direct: bool, said: Any, who: set[str]
) -> None:
    stack: Any = SimpleNamespace(direct=lambda: direct)
    gateway: Any = AGateway(said)
    assert health.registered(stack, gateway) == who
