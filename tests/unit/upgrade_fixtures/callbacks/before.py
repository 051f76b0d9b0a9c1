"""Callbacks, the room's SID, and a program that starts as soon as it is imported."""

import asyncio
import logging

from livekit import agents, rtc
from livekit.agents import cli


async def entry(ctx: agents.JobContext):
    room = ctx.room
    logging.info(f"in {room.name} ({room.sid})")
    sid = room.sid

    @room.on("participant_connected")
    async def greet(participant):
        await room.local_participant.publish_data("hello " + participant.identity)

    def on_muted(participant, publication):
        logging.info("%s muted %s of %d", participant.identity, sid, len(participant.tracks))

    @room.on("disconnected")
    def on_disconnected():
        logging.info("gone from %s", room.sid)

    room.on("track_muted", on_muted)
    room.on("track_unmuted", lambda participant, publication: logging.info("unmuted"))
    await asyncio.sleep(0)
    return {"room": await_name(room.sid)}


def await_name(value):
    return value


async def request(req: agents.JobRequest):
    """Everybody is welcome."""
    await req.accept(entry, auto_subscribe=agents.AutoSubscribe.SUBSCRIBE_ALL)


cli.run_app(agents.WorkerOptions(request_fnc=request))
