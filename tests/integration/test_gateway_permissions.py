"""An agent behind the gateway may do what its own worker registered for, and no more."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from livekit import api

from integration import harness
from integration.gateway_process import COLOURS, Gateway, call


@pytest.mark.parametrize("colour", COLOURS)
async def test_an_agent_keeps_its_own_permissions(
    livekit_server: harness.LiveKit,
    blue_python: Path,
    green_python: Path,
    start_agent: Callable[..., harness.Process],
    tmp_path: Path,
    colour: str,
) -> None:
    gateway = Gateway(livekit_server, tmp_path)
    gateway.start()
    try:
        script = Path(__file__).parent / "limited_agent.py"
        agent = start_agent(colour, gateway.url(colour), script)
        await gateway.ready(workers=1)
        name = f"room-{secrets.token_hex(4)}"
        keys = livekit_server.keys
        http = livekit_server.url.replace("ws", "http", 1)
        async with (
            call(livekit_server, name, agent=f"releve-{colour}") as line,
            api.LiveKitAPI(http, keys.api_key, keys.secret) as server,
        ):
            await line.answered()
            there = await server.room.list_participants(api.ListParticipantsRequest(room=name))
        agent.send(signal.SIGKILL)  # a polite end waits for the gateway and takes ten seconds
    finally:
        assert gateway.process is not None
        gateway.process.stop()
    (may,) = [who.permission for who in there.participants if who.identity != "caller"]
    assert (may.can_publish, may.can_subscribe) == (True, True)
    assert (may.can_publish_data, may.can_update_metadata) == (False, False)
