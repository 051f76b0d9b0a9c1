"""Names from wherever they could be had."""

from livekit.agents import aio, tokenize
from livekit.agents.job_context import JobContext
from livekit.agents.job_request import AutoDisconnect, AutoSubscribe, JobRequest
from livekit.agents.utils import http_session, merge_frames
from livekit.rtc.room import Room


async def fetch(url: str) -> str:
    async with http_session().get(url) as answer:
        return await answer.text()


async def later(ctx: JobContext, room: Room):
    await aio.sleep(1)
    print(len(room.participants), merge_frames, tokenize)


async def request(req: JobRequest):
    print(AutoSubscribe.AUDIO_ONLY)
    await req.accept(later)
