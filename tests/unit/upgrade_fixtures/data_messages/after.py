"""Data, metadata and chat."""

import json

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli


async def entry(ctx: JobContext):
    await ctx.connect()
    room = ctx.room
    local = room.local_participant

    @room.on("data_received")
    def on_data(packet: rtc.DataPacket):
        if packet.participant:
            print(packet.participant.identity, packet.topic, len(packet.participant.track_publications))

    async def tell(participant: rtc.RemoteParticipant, message: dict):
        await local.publish_data(
            json.dumps(message),
            reliable=True,
            destination_identities=[participant.identity],
            topic="coach",
        )

    await local.publish_data(b"hello", topic="coach")
    await local.publish_data("tick", reliable=False)
    await room.local_participant.publish_data(
        payload="both",
        destination_sids=[p for p in []],  # computed
    )
    await local.set_metadata(json.dumps({"state": "ready"}))
    await local.set_name("Coach")

    chat = rtc.ChatManager(room)

    @chat.on("message_received")
    def on_message(message: rtc.ChatMessage):
        print(message.message)

    for participant in room.remote_participants.values():
        await tell(participant, {"hello": participant.identity})


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entry))
