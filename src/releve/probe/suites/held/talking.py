"""A held call to an agent that talks: a sentence at a pace, and the time to its reply.

Whether the agent is well between turns is told by packets, not by loudness: a polite agent is
silent. Its audio comes into this process only from a sentence to its reply; the loudness of what
WebRTC plays tells whether it speaks, so that it is not interrupted.
"""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from releve.probe.caller import health
from releve.probe.caller.call import Call
from releve.probe.caller.transcripts import Transcripts, plain
from releve.probe.judgement.harm import LEAST_REPLIES
from releve.probe.media import signal, webrtc
from releve.probe.suites import conversation
from releve.probe.suites.held.course import News
from releve.probe.suites.held.packets import PacketWatch

GREETING_SECONDS = 5.0  # an agent that has said nothing for so long waits for its caller
LOOK_SECONDS = 0.25  # between looks at WebRTC's statistics; each takes about a millisecond
PAUSE_SECONDS = 1.5  # of silence after which the agent has finished
REPLY_SECONDS = 15.0
FIRST_SECONDS = 10.0  # between the first sentences: the replies of a run are compared with theirs
UNANSWERED = 2  # sentences in a row without a reply, after which a caller hangs up
DEAF_SECONDS = 10.0  # without packets; a crashed agent stays in the room for some 20 s
APART_SECONDS = 0.3  # of silence between what an agent was saying anyhow, and a reply
ALIKE = 0.8  # of two texts, from which on they are the same greeting


@dataclass(slots=True)
class _Turn:
    """A sentence that is being said, or waits for its reply since `ended`."""

    saying: asyncio.Task[float]
    ended: float | None = None


class Talking:
    """Turns are taken from `may_speak`: it is called before each and may say no (a budget)."""

    def __init__(
        self,
        sentence: signal.Samples,
        every: float,
        may_speak: Callable[[], bool] = lambda: True,
    ) -> None:
        self._sentence, self._every, self._may_speak = sentence, every, may_speak
        self._packets = PacketWatch()
        self._answered = 0  # sentences, in all calls
        self._greeting = ""  # of the first call; what greets with other words is new to us
        self._compared = self._greets_anyhow = False  # its first reply is its greeting: its way
        self._transcripts: Transcripts | None = None
        self._watching: asyncio.Task[None] | None = None
        self._news: News = []
        self._begin()

    def _begin(self) -> None:
        self._began = self._due = time.monotonic()
        self._voice_at: float | None = None
        self._heard: webrtc.Flow | None = None
        self._turn: _Turn | None = None
        self._unanswered = 0
        self._first = True  # turn of the call
        self._words_since = self._began

    @property
    def established(self) -> bool:
        return self._answered > 0

    def prepare(self, call: Call) -> None:
        self._transcripts = Transcripts(call.room)

    def came(self, call: Call) -> bool:
        return bool(call.audible)

    def begin_call(self, call: Call) -> None:
        self._begin()
        self._packets.begin_call()
        self._words_since = call.opened
        self._watching = asyncio.create_task(self._watch(call))

    def over(self, call: Call) -> str | None:
        if why := health.dropped(call):
            return why
        if health.settling(call):
            return None
        missing = time.monotonic() - max(self._began, self._packets.last or 0.0)
        if missing >= DEAF_SECONDS:
            return f"no packets for {DEAF_SECONDS:.0f} s"
        if self._unanswered >= UNANSWERED:
            return f"no reply to {UNANSWERED} sentences in a row, {REPLY_SECONDS:.0f} s each"
        return None

    async def tick(self, call: Call) -> News:
        news = self._drain()
        if self._turn is None:
            if self._may_begin() and self._may_speak():
                news += self._greeted_again(call)
                call.listen()
                first = self._answered < LEAST_REPLIES
                pace = min(self._every, FIRST_SECONDS) if first else self._every
                self._due = time.monotonic() + pace
                self._turn = _Turn(asyncio.create_task(call.speak(self._sentence)))
            return news
        return news + await self._answer(call, self._turn)

    async def last(self, call: Call) -> News:
        """A turn that has no reply yet is no news: nobody waited for it."""
        return self._drain() + self._greeted_again(call)

    async def close_call(self) -> None:
        for task in (self._watching, self._turn.saying if self._turn else None):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._transcripts is not None:
            await self._transcripts.aclose()

    def end(self) -> News:
        return [("no_packets", {"ms": ms}) for ms in self._packets.end(time.monotonic())]

    async def _watch(self, call: Call) -> None:
        """Packets, and whether a voice is among them. Runs until it is cancelled."""
        while True:
            flow = await webrtc.flow(call.tracks[-1][1]) if call.tracks else None
            before, self._heard = self._heard, flow or self._heard
            if flow is not None and before is not None and loud(before, flow):
                self._voice_at = flow.at
            self._news += [("no_packets", {"ms": ms}) for ms in self._packets.feed(flow)]
            await asyncio.sleep(LOOK_SECONDS)

    def _drain(self) -> News:
        news, self._news = self._news, []
        return news

    def _may_begin(self) -> bool:
        now = time.monotonic()
        if now < self._due or self._packets.last is None:
            return False
        if self._voice_at is None:
            return now - self._began >= GREETING_SECONDS
        return now - self._voice_at >= PAUSE_SECONDS

    async def _answer(self, call: Call, turn: _Turn) -> News:
        if not turn.saying.done():
            return []
        if turn.ended is None:
            turn.ended = turn.saying.result()
        frames = [frame for _, sink in call.sinks for frame in sink.frames()]
        replied = reply(conversation.voices(frames), turn.ended)
        if replied is None and time.monotonic() < turn.ended + REPLY_SECONDS:
            return []
        self._turn = None
        await call.stop_listening()
        at = round(turn.ended, 3)
        if replied is None:
            self._unanswered += 1
            self._due = 0.0  # as anybody who was not heard, it says it again
            return [("no_reply", {"at": at})]
        self._voice_at = time.monotonic()
        self._unanswered, self._answered = 0, self._answered + 1
        return [("reply", {"ms": round(1000 * (replied - turn.ended), 1), "at": at})]

    def _greeted_again(self, call: Call) -> News:
        """Whether what the agent said since the last turn was its greeting.

        What it said before a call's first turn is what its greeting is.
        """
        assert self._transcripts is not None
        agents = {agent.identity for agent in call.seen}
        written = [
            plain(self._transcripts.since(self._words_since, how, agent))
            for how in ("stream", "event")
            for agent in agents
        ]
        said = next((words for words in written if words), "")
        self._words_since = time.monotonic()
        if self._first:
            self._first, self._greeting = False, self._greeting or said
            return []
        if not (said and self._greeting):
            return []
        again = alike(self._greeting, said)
        if not self._compared:
            self._compared, self._greets_anyhow = True, again
        return [("greeted_again", {})] if again and not self._greets_anyhow else []


def reply(voices: Sequence[float], ended: float) -> float | None:
    """When a reply began to a sentence that `ended`: not what was being said then already."""
    before = max((at for at in voices if at < ended), default=None)
    for at in voices:
        if at >= ended:
            if before is None or at - before >= APART_SECONDS:
                return at
            before = at
    return None


def loud(before: webrtc.Flow, now: webrtc.Flow) -> bool:
    """Whether what was decoded between two looks has the loudness of a voice."""
    seconds = now.seconds - before.seconds
    if seconds <= 0:
        return False
    # WebRTC's energy is the square of the RMS, of 1.0 as the loudest, over time.
    mean_square = max(0.0, now.energy - before.energy) / seconds
    return bool(mean_square**0.5 > conversation.VOICE_RMS)


def alike(greeting: str, said: str) -> bool:
    """Whether a text is that greeting, or holds it; one of a word or two is in many a reply."""
    if len(greeting.split()) > 2 and greeting in said:
        return True
    return difflib.SequenceMatcher(None, greeting, said).ratio() >= ALIKE
