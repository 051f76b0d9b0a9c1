"""Each change is told to whoever asked for it, and a receiver that fails harms nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import web

from ports import free_port
from releve.rollout.journal import Entry
from releve.rollout.notify import KEPT, QUIET, Notifier, sentence
from unit.gateway_standin import until
from unit.rollout_plans import plan

STEP = Entry("step", 1.0, "2026-11-30T13:30:05.123Z", "boot", {"step": 1, "weight": 25})


class Receiver:
    """Answers what `status` says, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.status = 200
        self.hangs = False
        self.port = free_port()

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append(await request.json() if request.path != "/elsewhere" else "redirected")
        if request.path == "/elsewhere":
            return web.Response()
        if self.hangs:
            await asyncio.sleep(60)
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def receiver() -> Any:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook/secret", receiver.handle)
    app.router.add_route("*", "/elsewhere", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", receiver.port).start()
    yield receiver
    await runner.cleanup()


def notifier(*ports: int) -> Notifier:
    told = Notifier(plan(notify_urls=[f"http://127.0.0.1:{port}/hook/secret" for port in ports]))
    told.start()
    return told


async def test_a_change_is_json_with_a_text(receiver: Receiver) -> None:
    told = notifier(receiver.port)
    told.tell(STEP)
    await told.close()
    (change,) = receiver.got
    assert change["text"] == (f"demo, rollout {plan().id}: step 1 of 2: green gets 25 % for 60 s")
    assert (change["event"], change["step"], change["weight"]) == ("step", 1, 25)
    assert (told.sent, told.failed) == (1, 0)


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_receiver_that_refuses_is_counted_and_its_url_is_not_told(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = status
    told = notifier(receiver.port)
    told.tell(STEP)
    with caplog.at_level(logging.WARNING):
        await told.close()
    assert (told.sent, told.failed, len(receiver.got)) == (0, 1, 1)
    assert "secret" not in str([record.__dict__ for record in caplog.records])


async def test_one_that_hangs_or_is_gone_keeps_nobody_else_waiting(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("releve.rollout.notify.LAST_SECONDS", 0.1)
    monkeypatch.setattr("releve.rollout.notify.POST_SECONDS", 0.5)
    hanging = Receiver()
    hanging.hangs = True
    server = await asyncio.start_server(
        lambda reader, writer: reader.read(), "127.0.0.1", hanging.port
    )
    told = notifier(hanging.port, free_port(), receiver.port)
    for _ in range(3):
        told.tell(STEP)
    await until(lambda: len(receiver.got) == 3)
    await until(lambda: told.failed >= 4)
    await told.close()
    server.close()


async def test_what_nobody_fetches_is_bounded() -> None:
    told = Notifier(plan(notify_urls=["http://127.0.0.1:9/"]))
    told.start()
    for _ in range(KEPT + 5):
        told.tell(STEP)
    assert told.failed == 5
    await told.close()


def test_there_is_a_sentence_for_every_event() -> None:
    facts = {
        "plan": {},
        "epoch": 4,
        "step": 2,
        "weight": 100,
        "answer": "fail",
        "look": 1,
        "reason": "slow",
        "by": "me",
        "colour": "blue",
        "verdict": "rolled_back",
        "version": "1",
    }
    words = "began epoch step moved compared held approval waiting approved paused resumed"
    events = [*words.split(), "back", "unserved", "done", "ended", "controller", "stopped"]
    said = {event: sentence(plan(), Entry(event, 1.0, facts=facts)) for event in events}
    assert all(" " in text and "_" not in text for text in said.values()), said
    assert set(events) >= QUIET
