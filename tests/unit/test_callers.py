"""Callers are opened beside people who talk: one after the other, and none in vain."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from releve.keys import Keys
from releve.probe.caller import agent_check
from releve.probe.caller.join import Server, ServerError
from releve.probe.media import signal
from releve.probe.suites import callers, echo
from releve.probe.suites.callers import Callers

SERVER = Server("ws://nobody.example", Keys("key", "secret"))


class Line:
    """Stands in for a call: notes how many are on their way to an agent at once."""

    on_their_way = 0
    most = 0
    opened = 0

    bed_hertz = 440

    def __init__(self, *_: object, **__: object) -> None:
        self.closed = False
        self.sinks: list[object] = []
        self.waited: list[float] = []

    async def say(self, number: int) -> tuple[int, float]:
        return number, time.monotonic()

    async def wait(self, _holds: Callable[[], bool], seconds: float) -> bool:
        self.waited.append(seconds)
        return False

    async def open(self) -> None:
        Line.opened += 1
        Line.on_their_way += 1
        Line.most = max(Line.most, Line.on_their_way)
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def meets(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str | None]], None]:
    """What goes wrong with each call in turn, None where nothing does."""
    Line.on_their_way = Line.most = Line.opened = 0

    def set_to(problems: list[str | None]) -> None:
        left = iter(problems)

        async def agent(_call: Line) -> tuple[str | None, str | None]:
            await asyncio.sleep(0)
            Line.on_their_way -= 1
            problem = next(left)
            return (None if problem else "agent-1"), problem

        monkeypatch.setattr(agent_check, "agent", agent)

    monkeypatch.setattr(callers, "Call", Line)
    monkeypatch.setattr(agent_check, "has_problem", lambda _call: False)
    return set_to


async def test_a_call_is_opened_when_the_one_before_has_its_agent(
    meets: Callable[[list[str | None]], None],
) -> None:
    meets([None, None, None])
    assert await Callers(SERVER, "test", 1).hold(3) == []
    assert (Line.opened, Line.most) == (3, 1)


async def test_none_is_opened_after_one_that_went_wrong(
    meets: Callable[[list[str | None]], None],
) -> None:
    meets([None, "no agent came", None])
    assert await Callers(SERVER, "test", 1).hold(3) == ["no agent came"]
    assert Line.opened == 2


@pytest.mark.parametrize("let_in", [0, 1])
async def test_a_server_that_lets_nobody_in_is_an_error_and_one_that_stops_is_a_failure(
    meets: Callable[[list[str | None]], None], monkeypatch: pytest.MonkeyPatch, let_in: int
) -> None:
    meets([None] * let_in)
    real = Line.open

    async def full(line: Line) -> None:
        if Line.opened == let_in:
            raise ServerError("it is full")
        await real(line)

    monkeypatch.setattr(Line, "open", full)
    if let_in:
        assert await Callers(SERVER, "test", 1).hold(3) == ["it is full"]
    else:
        with pytest.raises(ServerError, match="it is full"):
            await Callers(SERVER, "test", 1).hold(3)


@pytest.mark.parametrize("answered", [True, False])
async def test_the_last_echo_ends_a_call_that_listens_for_it_and_the_longest_wait_any_other(
    meets: Callable[[list[str | None]], None], monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    meets([None])
    looked_for: list[tuple[Line, str, int]] = []

    async def look(call: Line, agent: str, chirp: int, _at: float) -> None:
        looked_for.append((call, agent, chirp))

    monkeypatch.setattr(echo, "answered", look)
    line = Callers(SERVER, "test", 3)
    await line.hold(1)
    call = line._callers[0].call
    assert isinstance(call, Line)
    (said,) = await line.say([0], answered=answered)
    assert [number for number, _ in said.chirps] == [0, 1, 2]
    assert looked_for == ([(call, "agent-1", 2)] if answered else [])
    assert (max(call.waited) >= signal.LONGEST_RTT) is not answered
