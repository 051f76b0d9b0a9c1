"""An agent that is a class, accepted by its constructor's elder brother."""

import asyncio

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli, llm


class Coach:
    @classmethod
    async def create(cls, ctx: JobContext):
        await ctx.connect()
        coach = cls(ctx)
        await coach.start()

    def __init__(self, ctx: JobContext) -> None:
        self.ctx: JobContext = ctx
        self.source = rtc.AudioSource(24000, 1, queue_size_ms=10)
        self.tasks: set[asyncio.Task] = set()
        self.history = llm.ChatContext(
            [
                # who we are
                llm.ChatMessage(role="system", content=["Tu es un coach vocal."]),
            ]
        )

    async def start(self) -> None:
        self.ctx.room.on("track_subscribed", self.on_track_subscribed)
        self.ctx.room.on("participant_disconnected", self.on_left)
        track = rtc.LocalAudioTrack.create_audio_track("coach", self.source)
        await self.ctx.room.local_participant.publish_track(track)

    def on_track_subscribed(self, track, publication, participant) -> None:
        print(participant.identity, "has", len(participant.track_publications), "tracks")

    def on_left(self, participant) -> None:
        if not self.ctx.room.remote_participants:
            self.ctx.shutdown()


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=Coach.create))
