"""`releve probe idle`: nothing may be restarted while somebody is in a room."""

from __future__ import annotations

import pytest

from integration.harness import LiveKit
from releve.keys import Keys
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server, ServerError
from releve.probe.suites import idle


async def test_a_room_with_somebody_in_it_is_a_call(livekit_server: LiveKit) -> None:
    server = Server(livekit_server.url, livekit_server.keys, "releve-nobody")
    call = Call(server, server.new_room("idle"))
    await call.open(talk=False)
    try:
        assert await idle.wait(server, 0) >= 1
    finally:
        await call.close()
    assert await idle.wait(server, 60) == 0


async def test_a_wrong_key_is_said_and_not_taken_for_quiet(livekit_server: LiveKit) -> None:
    not_found_by_app = Server(livekit_server.url, Keys("not_found_by_app", "x" * 40))
    with pytest.raises(ServerError, match="does not tell its rooms"):
        await idle.wait(not_found_by_app, 0)
