"""The course of a kind of agent, and how its calls are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from releve.probe.caller import health
from releve.probe.caller.call import Call, EventListener
from releve.probe.caller.join import Server
from releve.probe.caller.listener import KEEP_SECONDS
from releve.probe.media import signal
from releve.probe.suites.conversation import REPLY_SECONDS
from releve.probe.suites.held.course import Course
from releve.probe.suites.held.echoing import Echoing
from releve.probe.suites.held.listening import Listening
from releve.probe.suites.held.talking import Talking

KINDS = ("echo", "talks", "listens")
# Long frames: a sentinel is to take little from those it watches. A reply is timed by short ones.
RECEIVE_FRAME_MS, REPLY_FRAME_MS, MIC_MS = 20, 10, 100
SENTENCE_SECONDS = 30.0  # the longest that may be said, of which frames are kept


@dataclass(frozen=True, slots=True)
class Manner:
    """How calls to an agent of this kind go. `sentence`, `every`: of one that talks."""

    kind: str = "echo"  # one of KINDS
    sentence: signal.Samples | None = None
    every: float = 20.0

    def course(self, may_speak: Callable[[], bool]) -> Course:
        if self.kind == "listens":
            return Listening()
        if self.kind == "echo":
            return Echoing()
        assert self.sentence is not None, "a talker needs a sentence to reply to"
        return Talking(self.sentence, self.every, may_speak)

    def call(self, server: Server, room: str, tell: EventListener) -> Call:
        if self.kind == "echo":
            return Call(
                server,
                room,
                frame_ms=RECEIVE_FRAME_MS,
                mic_ms=MIC_MS,
                keep_seconds=KEEP_SECONDS,
                tell=tell,
            )
        keep = SENTENCE_SECONDS + REPLY_SECONDS
        return Call(
            server, room, frame_ms=REPLY_FRAME_MS, keep_seconds=keep, sparing=True, tell=tell
        )

    def arrived(self, call: Call) -> bool:
        """Whether a new room has its agent."""
        return bool(call.present if self.kind == "listens" else call.audible)

    def dropped(self, call: Call) -> str | None:
        return health.left(call) if self.kind == "listens" else health.dropped(call)
