"""An agent behind the gateway takes the type of job that its own worker registered for, and may do
what that worker may, and no more. Its worker comes by wss."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from livekit import api

from certificate import write_certificate
from integration import harness
from integration.gateway_process import COLOURS, Gateway, call


@pytest.mark.parametrize("colour", COLOURS)
async def test_an_agent_keeps_its_own_type_of_job_and_its_own_permissions(
    livekit_server: harness.LiveKit,
    blue_python: Path,
    green_python: Path,
    start_agent: Callable[..., harness.Process],
    tmp_path: Path,
    colour: str,
) -> None:
    cert, key = write_certificate(tmp_path)
    gateway = Gateway(livekit_server, tmp_path, worker_cert=str(cert), worker_key=str(key))
    gateway.start()
    try:
        script = Path(__file__).parent / "limited_agent.py"
        url = f"wss://localhost:{gateway.ports[colour]}"
        agent = start_agent(colour, url, script, SSL_CERT_FILE=str(cert))
        state = await gateway.ready(workers=1)
        types = {upstream["type"] for upstream in state["upstreams"]}
        assert types == {"JT_ROOM", "JT_PUBLISHER"}
        name = f"room-{secrets.token_hex(4)}"
        keys = livekit_server.keys
        http = livekit_server.url.replace("ws", "http", 1)
        async with (
            call(livekit_server, name, f"releve-{colour}", microphone=True) as line,
            api.LiveKitAPI(http, keys.api_key, keys.secret) as server,
        ):
            await line.answered()
            assert (await gateway.jobs())[name]["colour"] == colour
            there = await server.room.list_participants(api.ListParticipantsRequest(room=name))
        agent.send(signal.SIGKILL)  # a polite end waits for the gateway and takes ten seconds
    finally:
        assert gateway.process is not None
        gateway.process.stop()
    (may,) = [who.permission for who in there.participants if who.identity != "caller"]
    assert (may.can_publish, may.can_subscribe) == (True, True)
    assert (may.can_publish_data, may.can_update_metadata) == (False, False)
