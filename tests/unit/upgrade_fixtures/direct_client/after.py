"""A client that must stay one, and a bot of a shape that only a person can turn into a worker."""

import asyncio
import logging
from signal import SIGINT, SIGTERM

from livekit import rtc


async def probe(url: str, token: str) -> int:
    """How many are in the room: a caller, not an agent."""
    caller = rtc.Room()
    await caller.connect(url, token, options=rtc.RoomOptions(auto_subscribe=False))
    count = len(caller.remote_participants)
    await caller.disconnect()
    return count


async def main(room: rtc.Room) -> None:
    @room.on("participant_connected")
    def on_participant_connected(participant: rtc.RemoteParticipant) -> None:
        logging.info("connected: %s %s", participant.sid, participant.identity)

    await room.connect("ws://localhost:7880", "token")
    logging.info("participants: %s", room.participants)


if __name__ == "__main__":
    loop = asyncio.get_event_loop()
    room = rtc.Room(loop=loop)
    asyncio.ensure_future(main(room))
    for signal in [SIGINT, SIGTERM]:
        loop.add_signal_handler(signal, loop.stop)
    loop.run_forever()
