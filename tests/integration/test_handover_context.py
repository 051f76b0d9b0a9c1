"""Coaches of both SDKs hand a call to each other with what was said; the caller is greeted once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit import api

from integration import harness
from integration.gateway_process import COLOURS, Gateway
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.caller.transcripts import Transcripts, plain

SECONDS = 120.0
TYPED = "my number is forty two"


@pytest.fixture(scope="module")
def gateway(
    livekit_server: harness.LiveKit,
    speech: str,
    blue_python: Path,
    green_python: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Gateway]:
    """With a coach of each SDK behind it."""
    home = tmp_path_factory.mktemp("context")
    gateway = Gateway(livekit_server, home)
    gateway.start()
    agents = []
    try:
        for colour in COLOURS:
            script = None if colour == "green" else harness.ROOT / "agent_src/blue/agent.py"
            agents.append(
                harness.start_agent(
                    colour,
                    gateway.url(colour),
                    livekit_server.keys,
                    home / f"agent-{colour}.out",
                    script,
                    AGENT_MODE="coach",
                    COACH_URL=speech,
                )
            )
        yield gateway
    finally:
        for agent in agents:
            agent.stop()
        if gateway.process is not None:
            gateway.process.stop()


async def moved(gateway: Gateway, room: str) -> dict[str, Any]:
    """The room after its handover, which must not go without context."""
    await gateway.ask("POST", "/handover", {"by": "test", "room": room, "context_seconds": 10})
    async with asyncio.timeout(SECONDS):
        while (told := await gateway.ask("GET", "/handover"))["phase"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    (said,) = told["rooms"]
    return dict(said)


async def test_both_ways_what_was_said_comes_along_and_nobody_greets_again(
    gateway: Gateway, livekit_server: harness.LiveKit
) -> None:
    await gateway.ready()
    server = Server(livekit_server.url, livekit_server.keys)
    call = Call(server, server.new_room("context"), bed=False)
    written = Transcripts(call.room)
    try:
        await call.open()
        assert await call.wait(lambda: bool(call.sinks), SECONDS), "no agent"
        first = call.seen[0].identity
        await until(call, lambda: "coach" in plain(written.since(call.opened, "event", first)))
        packet = json.dumps({"message": TYPED, "timestamp": 1})
        await call.room.local_participant.publish_data(packet, topic="lk-chat-topic")
        for to in ("green", "blue"):
            room = await moved(gateway, call.room_name)
            assert (room["state"], room["to"], room["context"]) == ("new", to, True), room
            told = await dispatched(livekit_server, call.room_name, f"releve-{to}")
            assert told["from"] == room["old"]
            words = [plain(it["content"]) for it in told["context"]["history"]]
            assert any("speaking coach" in it for it in words), "what the first agent said"
            assert TYPED in words, "what the caller said"
            assert await call.wait(lambda new=room["new"]: list(call.present) == [new], SECONDS)
        await asyncio.sleep(5.0)  # a greeting would begin within two
        for later in call.seen[1:]:
            assert written.since(call.opened, "event", later.identity) == ""
        assert call.lost is None
    finally:
        await written.aclose()
        await call.close()


async def until(call: Call, holds: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await call.wait(lambda: call.lost is not None, 0.1)
            assert call.lost is None


async def dispatched(server: harness.LiveKit, room: str, name: str) -> dict[str, Any]:
    """What the last agent of that name was told of the handover."""
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as client:
        found = await client.agent_dispatch.list_dispatch(room)
    (one,) = [it for it in found if it.agent_name == name]
    return dict(json.loads(one.metadata)["releve_handover"])
