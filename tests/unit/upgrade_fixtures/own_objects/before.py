"""Objects that are kept in objects of one's own, and a star that hides where names are from."""

from dataclasses import dataclass

from livekit import rtc
from livekit.agents import *
from livekit.agents import JobContext, WorkerOptions, cli
from livekit.agents.voice_assistant import VoiceAssistant


@dataclass
class Call:
    ctx: JobContext
    room: rtc.Room

    def others(self) -> int:
        return len(self.room.participants)

    def names(self) -> list[str]:
        return [other.identity for other in self.ctx.room.participants.values()]


class Voice:
    """Started where nothing can be awaited: moved by hand, with how it ends."""

    def __init__(self, room: rtc.Room) -> None:
        self.assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None)
        self.assistant.start(room)

    async def end(self) -> None:
        await self.assistant.aclose()


def room_of(ctx: JobContext) -> rtc.Room:
    return ctx.room


async def entry(ctx):
    call, voice = Call(ctx, ctx.room), Voice(ctx.room)
    print(call.others(), len(call.room.participants), len(room_of(ctx).participants))
    await voice.assistant.aclose(wait=False)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request_fnc=lambda req: req.accept(entry)))
