"""Names from wherever they could be had."""

from livekit.agents import tokenize
from livekit.agents.utils import aio
from livekit.agents import JobContext
from livekit.agents import AutoSubscribe, JobRequest
from livekit.agents.utils import merge_frames
from livekit.agents.utils.http_context import http_session
from livekit.rtc.room import Room


async def fetch(url: str) -> str:
    async with http_session().get(url) as answer:
        return await answer.text()


async def later(ctx: JobContext, room: Room):
    await aio.sleep(1)
    print(len(room.remote_participants), merge_frames, tokenize)


async def request(req: JobRequest):
    print(AutoSubscribe.AUDIO_ONLY)
    await req.accept(later)
