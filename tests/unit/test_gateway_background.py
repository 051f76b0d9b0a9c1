"""Whatever the server answers and whichever task fails: the gateway goes on, and tells it."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import re
from pathlib import Path

import pytest
from aiohttp import web
from livekit.protocol import agent as proto
from livekit.protocol import models

from releve.gateway import background
from releve.gateway.background import Background
from releve.gateway.server import room_service
from releve.gateway.upkeep import drain, redispatch, stale_jobs
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, participant, registered, until

CALLER = models.ParticipantInfo(identity="caller")
PAGES = {
    "a proxy's page": (200, "text/html", b"<html>We are back soon</html>"),
    "an empty page": (200, "text/plain", b""),
    "protobuf that is none": (200, "application/protobuf", b"\xff\xff\xff"),
    "an empty error": (502, "application/json", b""),
    "null": (503, "application/json", b"null"),
    "a number": (500, "application/json", b"7"),
    "broken JSON": (503, "application/json", b"{broken"),
    "an error of another type": (500, "application/json", b'{"code": {"a": 1}, "msg": []}'),
    "text": (502, "text/plain", b"bad gateway"),
    "bytes": (404, "application/json", b"\xff\xfe"),
    "LiveKit's own error": (503, "application/json", b'{"code": "unavailable", "msg": "no"}'),
}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stale_jobs, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(stale_jobs, "YOUNG_SECONDS", 0.0)
    monkeypatch.setattr(drain, "CHECK_SECONDS", 0.02)
    monkeypatch.setattr(drain, "ARRIVAL_SECONDS", 0.0)
    monkeypatch.setattr(redispatch, "GRACE_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(redispatch, "ARRIVAL_SECONDS", 0.05)
    monkeypatch.setattr(background, "FIRST_WAIT_SECONDS", 0.01)


async def failures(gateway: Running) -> dict[str, float]:
    url = f"http://127.0.0.1:{gateway.config.metrics_port}/metrics"
    async with gateway.plain.get(url) as answer:
        text = await answer.text()
    told = re.findall(r'^releve_task_failures_total\{task="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {task: float(count) for task, count in told}


@pytest.mark.parametrize("page", PAGES)
async def test_an_odd_answer_of_the_server_is_an_error_like_any_other(
    gateway: Running, server: StandInServer, page: str, caplog: pytest.LogCaptureFixture
) -> None:
    """No job is over, no room is empty and nothing is drained because of it."""
    status, kind, body = PAGES[page]
    async with (
        registered(gateway.workers, gateway.green) as green,
        registered(gateway.workers, gateway.blue) as blue,
    ):
        server.people = {"held": [CALLER, participant("agent-green")], "lost": [CALLER]}
        assert await server.dispatch("held", "releve-green")
        async with registered(gateway.workers, gateway.blue, "doomed") as doomed:
            blue.accepts = False
            assert await server.dispatch("lost")
            await until(lambda: doomed.rooms == ["lost"])
            server.page = web.Response(status=status, content_type=kind, body=body)
        server.questions.clear()
        await gateway.cordon("blue")
        await until(lambda: min(server.questions[m] for m in ("ListRooms", "ListParticipants")) > 3)
        status, told = await gateway.admin("GET", "/calls")
        assert (status, "server" in told["error"]) == (502, True)
        state = await gateway.state()
        assert (state["drained"], state["jobs"], len(state["workers"])) == ([], 1, 2)
        assert server.asked_for == []
        assert not green.closed.is_set()
        server.page = None
        await gateway.cordon("blue", False)
        await until(lambda: bool(server.asked_for))
    assert not [record for record in caplog.records if record.exc_info]
    assert set((await failures(gateway)).values()) == {0.0}


async def test_a_server_that_never_answers_is_an_error_after_a_while(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_service, "ANSWER_SECONDS", 0.05)
    answers = asyncio.Event()

    async def swallow(_request: web.Request) -> web.Response:
        await answers.wait()
        return web.Response()

    monkeypatch.setattr(server, "answer", swallow)
    try:
        told = await asyncio.gather(*(gateway.admin("GET", "/calls") for _ in range(20)))
        assert {(status, body["error"]) for status, body in told} == {
            (502, "calls: the server does not answer: no answer within 0.05 s")
        }
    finally:
        answers.set()


@pytest.mark.parametrize("kind", ["malformed", "text", "empty", "nonsense"])
async def test_an_odd_message_of_the_server_costs_no_worker_its_connection(
    gateway: Running, server: StandInServer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        before = len(server.registrations)
        connection = server.connections[""]
        if kind == "text":
            await connection.send_str("hello")
        elif kind == "malformed":
            await connection.send_bytes(b"\xff\xff\xff")
        elif kind == "empty":
            await connection.send_bytes(b"")
        else:
            odd = proto.ServerMessage(assignment=proto.JobAssignment(token="x.y"))
            await connection.send_bytes(odd.SerializeToString())
            odd = proto.ServerMessage(availability=proto.AvailabilityRequest())
            server._answers[""] = asyncio.get_running_loop().create_future()
            await connection.send_bytes(odd.SerializeToString())
        if kind in ("malformed", "text"):
            await until(lambda: len(server.registrations) > before)
            await until(lambda: server.connections[""] is not connection)
        worker.assigned.clear()
        assert await server.dispatch("room")
        await until(lambda: "room" in worker.rooms)
        assert not worker.closed.is_set()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_task_that_fails_is_told_counted_and_begins_again(
    gateway: Running,
    server: StandInServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Even by a mistake of ours: nobody's call ends with it."""
    looked = asyncio.Event()

    async def look(_self: drain.Drain) -> None:
        if (await failures(gateway))["drain"] < 3:
            raise ZeroDivisionError("a mistake of ours")
        looked.set()

    async with registered(gateway.workers, gateway.blue) as worker:
        monkeypatch.setattr(drain.Drain, "look", look)
        await asyncio.wait_for(looked.wait(), 10)
        assert (await failures(gateway))["drain"] == 3.0
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
    told = [record for record in caplog.records if record.exc_info]
    assert [getattr(record, "task", None) for record in told] == ["drain"] * 3


async def test_a_failure_in_an_offer_leaves_the_others_alone_and_the_room_looked_after(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redispatch, "ELSEWHERE_SECONDS", 0.05)
    server.people = {"broken": [CALLER]}
    fail = "releve.gateway.dispatch.dispatcher.OfferRound.first_yes"
    async with registered(gateway.workers, gateway.blue) as worker:
        with monkeypatch.context() as broken:
            broken.setattr(fail, lambda *_: 1 / 0)
            offered = asyncio.create_task(server.dispatch("broken"))
            async with asyncio.timeout(5):
                while not (await failures(gateway)).get("offer"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        offered.cancel()
        await until(lambda: bool(server.asked_for))
        assert await server.dispatch("good")
        await until(lambda: "good" in worker.rooms)


async def test_waits_between_failures_grow_and_the_end_is_the_end(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(background, "LONGEST_WAIT_SECONDS", 0.08)
    starts: list[float] = []
    tasks = Background()

    async def fails() -> None:
        starts.append(asyncio.get_running_loop().time())
        raise RuntimeError

    async def waits() -> None:
        await asyncio.Event().wait()

    tasks.keep("fails", fails)
    tasks.keep("waits", waits)
    await until(lambda: len(starts) == 6)
    await asyncio.wait_for(tasks.stop(), 5)
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert all(
        gap >= least for gap, least in zip(gaps, (0.01, 0.02, 0.04, 0.08, 0.08), strict=True)
    )
    seen = len(starts)
    await asyncio.sleep(0.2)
    assert len(starts) == seen
    assert tasks.failures == {"fails": seen, "waits": 0}


async def test_work_that_is_cancelled_before_it_began_is_closed() -> None:
    tasks = Background()
    began: list[bool] = []

    async def work() -> None:
        began.append(True)

    coroutine = work()
    tasks.once("work", coroutine)
    await tasks.stop()
    assert began == []
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED


def test_no_task_of_the_gateway_is_outside_that_one_place() -> None:
    """Those named here are awaited where they are made."""
    home = Path(background.__file__).parent
    makers = {
        path.relative_to(home).as_posix()
        for path in home.rglob("*.py")
        if re.search(r"create_task|ensure_future", path.read_text())
    }
    awaited = {
        "workers/proxy.py",
        "workers/session.py",
        "server/connection.py",
        "handover/listener.py",
    }
    assert makers - awaited == {"background.py"}
