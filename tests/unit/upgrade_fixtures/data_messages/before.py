"""Data, metadata and chat."""

import json

from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli


async def entry(ctx: JobContext):
    room = ctx.room
    local = room.local_participant

    @room.on("data_received")
    def on_data(packet: rtc.DataPacket):
        if packet.participant:
            print(packet.participant.identity, packet.topic, len(packet.participant.tracks))

    async def tell(participant: rtc.RemoteParticipant, message: dict):
        await local.publish_data(
            json.dumps(message),
            rtc.DataPacketKind.KIND_RELIABLE,
            [participant.sid],
            "coach",
        )

    await local.publish_data(b"hello", topic="coach")
    await local.publish_data("tick", kind=rtc.DataPacketKind.KIND_LOSSY)
    await room.local_participant.publish_data(
        payload="both",
        destination_sids=[p for p in []],  # computed
    )
    await local.update_metadata(json.dumps({"state": "ready"}))
    await local.update_name("Coach")

    chat = rtc.ChatManager(room)

    @chat.on("message_received")
    def on_message(message: rtc.ChatMessage):
        print(message.message)

    for participant in room.participants.values():
        await tell(participant, {"hello": participant.identity})


async def request(req: JobRequest):
    await req.accept(entry)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request))
