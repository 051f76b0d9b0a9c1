"""The check of the result: what the target does not have or take is flagged, and nothing else."""

from __future__ import annotations

import pytest

from releve.upgrade.engine import upgrade
from releve.upgrade.target.signatures import load, signature, versions

HEAD = """\
import asyncio

from livekit import api, rtc
from livekit.agents import Agent, AgentSession, JobContext, JobRequest, llm, stt, tts
from livekit.plugins import openai, silero


"""


def flags(body: str, head: str = HEAD) -> list[tuple[int, str]]:
    """(line of the body, rule) of everything that the check says."""
    done = upgrade((head + body).encode())
    above = head.count("\n")
    assert done.after.decode() == head + body
    return [(note.line - above, note.rule.id) for note in done.left]


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("import livekit.agents.pipeline\n", [(1, "target-name")]),
        ("from livekit.agents.metrics import Pipeline\n", [(1, "target-name")]),
        ("from livekit.plugins import nobodys\n", [(1, "target-name")]),
        ("def f():\n    from livekit.agents.llm import Nothing\n", [(2, "target-name")]),
        ("print(rtc.Nothing)\n", [(1, "target-name")]),
        ("print(rtc.TrackKind.KIND_SMELL)\n", [(1, "target-name")]),
        ("print(openai.LLM.with_nobody())\n", [(1, "target-name")]),
        ("def f(room: rtc.Room):\n    room.local_participant.shout()\n", [(2, "target-name")]),
        ("def f(ctx: JobContext):\n    if hasattr(ctx, 'publisher'):\n        pass\n", [(2, "target-name")]),
        ("def f(ctx: JobContext):\n    return getattr(ctx.room, 'sids', None)\n", [(2, "target-name")]),
        ("from livekit.agents.utils import aio\n\naio.channel()\n", [(3, "target-call")]),
        ("vad = silero.VAD.load(use_onnx=True)\n", [(1, "target-call")]),
        ("tts_ = openai.TTS(\n    model='x',\n    session=None,\n)\n", [(3, "target-call")]),
        ("async def f(r: JobRequest):\n    await r.accept(nome=f)\n", [(2, "target-call")]),
        ("frame = rtc.AudioFrame(b'')\n", [(1, "target-call")]),
        ("request = api.CreateRoomRequest(nome='x')\n", [(1, "target-call")]),
        ("async def f(s: AgentSession):\n    s.start(Agent(instructions=''))\n", [(2, "target-await")]),
        ("def f(s: AgentSession):\n    s.on('user_started', print)\n", [(2, "target-event")]),
        ("class Own(llm.LLM):\n    def chat(self, chat_ctx): ...\n", [(2, "target-method")]),
        ("class Own(stt.STT):\n    pass\n", [(1, "target-method")]),
    ],
)  # fmt: skip
def test_what_the_target_does_not_have_is_flagged_on_its_line(
    body: str, wanted: list[tuple[int, str]]
) -> None:
    assert flags(body) == wanted


FITS = [
    "class Own(Agent):\n    async def on_enter(self):\n        print(self.mine, self.session)\n        self.mine = 1\n",
    "class Own(tts.TTS, Mixin):\n    def anything(self):\n        return self.whatever()\n",
    "class Own(llm.LLM):\n    def chat(self, *, chat_ctx, **rest): ...\n",
    "async def f(ctx: JobContext):\n    ctx.mine = 1\n    print(ctx.mine)\n    task = ctx.connect()\n    await task\n",
    "def f(given):\n    room = rtc.Room()\n    if given:\n        room = given\n    room.anything()\n",
    "def f(m: llm.ChatMessage):\n    return m.text_content, m.content.append('x'), m.model_dump()\n",
    "async def f():\n    async with api.LiveKitAPI() as lk:\n        await lk.room.list_rooms(api.ListRoomsRequest(names=['x']))\n",
    "def f(s: AgentSession[int]):\n    @s.on('close')\n    def g(ev):\n        print(ev.error)\n",
    "def f(*given, **options):\n    return rtc.AudioFrame(*given), openai.STT(**options)\n",
    "def f(p: rtc.RemoteParticipant):\n    return [x.track.kind for x in p.track_publications.values() if x.track]\n",
]


@pytest.mark.parametrize("body", FITS)
def test_what_fits_or_is_not_certain_is_not_flagged(body: str) -> None:
    assert flags(body) == []


def test_a_flag_says_what_to_write() -> None:
    done = upgrade((HEAD + "vad = silero.VAD.load(min_silence=1)\n").encode())
    assert "min_silence_duration" in done.left[0].advice
    assert "1.1.3" in done.left[0].advice


def test_a_flag_has_the_line_of_the_text_before_and_of_the_text_after() -> None:
    text = (
        b"from livekit import rtc\nfrom livekit.agents import cli, WorkerOptions\n\n\n"
        b"async def entry(ctx):\n    await ctx.connect()\n    ctx.room.shout()\n\n\n"
        b"async def wanted(req):\n    await req.accept(entry)\n\n\n"
        b"cli.run_app(WorkerOptions(wanted))\nprint(rtc.Nothing)\n"
    )
    done = upgrade(text)
    (before,) = [note.line for note in done.flags if "Nothing" in note.advice]
    (after,) = [note.line for note in done.left if "Nothing" in note.advice]
    assert (
        text.splitlines()[before - 1] == done.after.splitlines()[after - 1] == b"print(rtc.Nothing)"
    )
    assert before != after


def test_signatures_are_read() -> None:
    told = signature("async a, b=, *rest, c, d=, **more -> livekit.x.Y")
    assert (told.positional, told.keyword, told.required) == (("a", "b"), ("c", "d"), {"a", "c"})
    assert (told.star, told.options, told.coroutine, told.returns) == (
        True,
        True,
        True,
        "livekit.x.Y",
    )
    assert signature("").names == ()


def test_the_targets_are_those_that_are_recorded() -> None:
    assert versions()[0] == "1.1.3"
    assert len(versions()) == 2
    for version in versions():
        assert load(version).versions["livekit-agents"] == version
        assert load(version).made("livekit.rtc.audio_source.AudioSource") is not None
