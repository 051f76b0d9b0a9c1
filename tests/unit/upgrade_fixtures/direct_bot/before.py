"""The oldest pattern: the bot connects by itself, with a token of its own."""

import asyncio
import os

from livekit import api, rtc

URL = os.environ.get("LIVEKIT_URL", "ws://localhost:7880")


async def main() -> None:
    room = rtc.Room()
    source = rtc.AudioSource(48000, 1)
    tasks = set()

    async def echo(track: rtc.Track) -> None:
        async for event in rtc.AudioStream(track):
            await source.capture_frame(event.frame)

    @room.on("track_subscribed")
    def on_track_subscribed(track, publication, participant):
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            tasks.add(asyncio.create_task(echo(track)))

    token = (
        api.AccessToken()
        .with_identity("eloquence-agent")
        .with_grants(api.VideoGrants(room_join=True, room="eloquence"))
        .to_jwt()
    )
    await room.connect(URL, token)
    print("connected to", room.name)
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    await room.local_participant.publish_track(
        track, rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    )
    await asyncio.Event().wait()  # until we are stopped


if __name__ == "__main__":
    asyncio.run(main())
