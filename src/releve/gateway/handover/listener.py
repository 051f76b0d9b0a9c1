"""A process of its own that takes one answer of one agent, hidden in its room.

`python -m releve.gateway.handover.listener`: a line of JSON comes in with what to do; a line goes
out when it is in the room, and one with the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from livekit import rtc

METHOD = "releve.handover.context"


async def listen(told: dict[str, Any]) -> None:
    """Join, tell who we are, and tell the first answer: by RPC, or as a data message."""
    room = rtc.Room()
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @room.on("data_received")
    def heard(packet: rtc.DataPacket) -> None:
        who = packet.participant.identity if packet.participant else None
        if packet.topic == told["topic"] and who == told["agent"] and not answered.done():
            answered.set_result(packet.data.decode(errors="replace"))

    async def call() -> None:
        with contextlib.suppress(rtc.RpcError):  # it has no such method, or no RPC
            answer = await room.local_participant.perform_rpc(
                destination_identity=told["agent"],
                method=METHOD,
                payload="",
                response_timeout=told["seconds"],
            )
            if not answered.done():
                answered.set_result(answer)

    await room.connect(told["url"], told["token"], rtc.RoomOptions(auto_subscribe=False))
    say({"sid": room.local_participant.sid})
    calling = asyncio.create_task(call())
    try:
        async with asyncio.timeout(told["seconds"]):
            say({"answer": await answered})
    except TimeoutError:
        say({"answer": None})
    calling.cancel()
    await room.disconnect()


def say(line: object) -> None:
    """To the gateway."""
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    asyncio.run(listen(json.loads(sys.stdin.readline())))
