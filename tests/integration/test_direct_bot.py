"""The oldest pattern of v0, a bot without a worker, is heard in its room on this server."""

from __future__ import annotations

import os
from pathlib import Path

from integration import harness
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.media import signal

BOT = harness.ROOT / "agent_src" / "direct" / "agent.py"
SECONDS = 30.0


async def test_a_direct_bot_echoes_in_its_room_and_leaves_when_it_is_stopped(
    blue_python: Path, livekit_server: harness.LiveKit, tmp_path: Path
) -> None:
    keys = livekit_server.keys
    nobody = Server(livekit_server.url, keys, "nobody")  # only the bot is to come
    room = nobody.new_room("direct")
    env = {
        "PATH": os.environ["PATH"],
        "LIVEKIT_URL": livekit_server.url,
        "LIVEKIT_API_KEY": keys.api_key,
        "LIVEKIT_API_SECRET": keys.secret,
        "LIVEKIT_ROOM": room,
    }
    bot = harness.Process([blue_python, BOT], tmp_path / "bot.out", env)
    call = Call(nobody, room)
    try:
        await call.open()
        assert await call.wait(lambda: bool(call.sinks), SECONDS), bot.log.read_text()
        assert [agent.identity for agent in call.seen] == ["eloquence-agent"]

        def echoed() -> bool:
            frames = call.sinks[0][1].frames()[-20:]
            return len(signal.Recording(frames).bed_heard(call.bed_hertz)) >= 3 if frames else False

        for _ in range(int(SECONDS * 10)):
            if echoed():
                break
            await call.wait(lambda: call.lost is not None, 0.1)
        assert echoed(), "what the caller says does not come back"
        bot.stop()
        assert await call.wait(lambda: not call.present, SECONDS), "it stays in the room"
    finally:
        bot.stop()
        await call.close()
