"""Captions for the apps."""

import uuid

from livekit import rtc
from livekit.agents import JobContext


async def caption(ctx: JobContext, track: rtc.LocalTrackPublication, text: str, final: bool) -> None:
    segment = rtc.TranscriptionSegment(
        id=uuid.uuid4().hex, text=text, start_time=0, end_time=0, final=final
    )
    await ctx.room.local_participant.publish_transcription(
        rtc.Transcription(
            participant_identity=ctx.room.local_participant.identity,
            track_id=track.sid,
            segments=[segment],  # one at a time
            language="fr",
        )
    )


async def short(ctx: JobContext, sid: str, text: str) -> None:
    await ctx.agent.publish_transcription(
        rtc.Transcription(
            participant_identity=ctx.agent.identity,
            track_id=sid,
            segments=[rtc.TranscriptionSegment("1", text, 0, 0, True)],
            language="en",
        )
    )
