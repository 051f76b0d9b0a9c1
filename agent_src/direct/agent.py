"""The oldest pattern, on livekit 0.11.1: a bot that joins one room by itself, without a worker.

LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET say where, LIVEKIT_ROOM which room. It says back
what it hears. There is nobody who sends it anywhere else, and one process for every room.
"""

from __future__ import annotations

import asyncio
import os
import signal

from livekit import api, rtc

SAMPLE_RATE = 48000


async def echo(track: rtc.RemoteTrack, source: rtc.AudioSource) -> None:
    async for event in rtc.AudioStream(track, capacity=2):
        await source.capture_frame(event.frame)


async def main() -> None:
    room = rtc.Room()
    source = rtc.AudioSource(SAMPLE_RATE, 1)
    echoes: dict[str, asyncio.Task[None]] = {}

    @room.on("track_subscribed")
    def listen(
        track: rtc.RemoteTrack,
        _publication: rtc.RemoteTrackPublication,
        _participant: rtc.RemoteParticipant,
    ) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            echoes[track.sid] = asyncio.create_task(echo(track, source))

    token = (
        api.AccessToken()
        .with_identity("eloquence-agent")
        .with_grants(api.VideoGrants(room_join=True, room=os.environ["LIVEKIT_ROOM"]))
        .to_jwt()
    )
    await room.connect(os.environ["LIVEKIT_URL"], token)
    print("connected to", room.name, flush=True)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)

    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await room.disconnect()


if __name__ == "__main__":
    asyncio.run(main())
