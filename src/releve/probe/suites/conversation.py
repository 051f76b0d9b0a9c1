"""The conversation suite: say a sentence to a talking agent, and time its reply.

The reply's time runs from the last sample of the sentence that the probe said to the first voice
that it heard after that: two network ways and the agent's own share, as a caller has it.
"""

from __future__ import annotations

import asyncio
import time
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from releve.probe.caller.call import Call, app_finds, not_found_by_app
from releve.probe.caller.join import Server, ServerError
from releve.probe.caller.transcripts import Transcripts, plain
from releve.probe.host.own_cost import OwnCostMeter
from releve.probe.judgement import statistics, verdict
from releve.probe.judgement.gates import Gate
from releve.probe.media import signal

AGENT_SECONDS = 10.0
GREETING_SECONDS = 5.0  # an agent that has said nothing for so long waits for its caller
TALK_SECONDS = 30.0  # the longest that one of its speeches may take
REPLY_SECONDS = 15.0
PAUSE = 1.0  # seconds of silence after which a speech is over
LOOK = 0.05
VOICE_RMS = 300 / 32768
VOICE_FRAMES = 3  # of 10 ms in a row: shorter is a click
WRITTEN_SECONDS = 2.0  # for which a transcript may come after the voice


class SentenceError(ValueError):
    """The sentence cannot be said; the message says what to change."""


@dataclass(slots=True)
class ConversationResult:
    """One call. Seconds; texts as transcribed by the agent, None where nothing came.

    greeting_s: from joining to the agent's first voice. reply_s: from the end of our sentence.
    """

    room: str
    greeting_s: float | None = None
    reply_s: float | None = None
    our_words: str | None = None
    reply_by_stream: str | None = None
    reply_by_event: str | None = None
    missing: list[str] | None = None
    failure: str | None = None


def load(path: Path) -> signal.Samples:
    """A sentence from a WAV file of 16-bit samples, at RATE. Raises SentenceError."""
    try:
        with wave.open(str(path)) as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            raw = file.readframes(file.getnframes())
    except OSError as error:
        raise SentenceError(f"{path}: {error.strerror}") from error
    except (wave.Error, EOFError) as error:
        raise SentenceError(f"{path} is no WAV file of 16-bit samples ({error})") from error
    if width != 2 or not raw:
        raise SentenceError(f"{path} is no WAV file of 16-bit samples, or an empty one")
    samples = np.frombuffer(raw, np.int16).reshape(-1, channels).mean(axis=1) / 32768
    import scipy.signal  # costs two CPU seconds: imported only if a sentence is read

    samples = scipy.signal.resample_poly(samples, signal.RATE, rate)
    # The pauses around a sentence are not part of it: its end is where the clock starts.
    loud = np.flatnonzero(np.abs(samples) > VOICE_RMS)
    if not len(loud):
        raise SentenceError(f"{path} holds silence")
    sentence: signal.Samples = samples[loud[0] : loud[-1] + 1].astype(np.float32)
    return sentence


async def run(
    server: Server,
    name: str,
    colour: str,
    judges: Sequence[Gate],
    sentence: signal.Samples,
    *,
    calls: int,
    expect: Sequence[str],
) -> dict[str, Any]:
    """Call one after the other, and return the probe object of report.json. Raises ServerError.

    `expect`: words that a reply's transcript must hold.
    """
    meter = OwnCostMeter()
    talks = [await _talk(server, sentence, expect) for _ in range(calls)]
    return probe_object(name, colour, talks, judges, meter.read(calls), expect=bool(expect))


def probe_object(
    name: str,
    colour: str,
    talks: list[ConversationResult],
    judges: Sequence[Gate],
    cost: dict[str, float | None],
    *,
    expect: bool,
) -> dict[str, Any]:
    """Judge the talks: pure, from evidence to the probe object."""
    replies = [talk.reply_s for talk in talks if talk.reply_s is not None]
    written = [talk for talk in talks if talk.reply_by_stream or talk.reply_by_event]
    seconds = {
        "greeting": statistics.spread([t.greeting_s for t in talks if t.greeting_s is not None]),
        "reply": statistics.spread(replies),
    }
    metrics: dict[str, float | None] = {
        "fraction of sentences answered": len(replies) / len(talks) if talks else None,
        "slowest reply": max(replies, default=None),
        "fraction of replies transcribed": len(written) / len(replies) if replies else None,
        "fraction of replies with the expected words": (
            sum(talk.missing == [] for talk in talks) / len(replies) if replies else None
        ),
    }
    judges = [gate for gate in judges if expect or gate.key != "expected_fraction_min"]
    said = [talk.failure for talk in talks if talk.failure is not None]
    judged = verdict.of(name, colour, judges, metrics, said, sent=len(talks), valid=len(replies))
    return judged | {
        "seconds": {what: times for what, times in seconds.items() if times is not None},
        "cost": cost,
        "calls": [asdict(talk) for talk in talks],
    }


async def _talk(
    server: Server, sentence: signal.Samples, expect: Sequence[str]
) -> ConversationResult:
    """Wait for the end of the greeting, say the sentence, wait for the end of the reply."""
    call = Call(server, server.new_room("conversation"), bed=False)
    transcripts = Transcripts(call.room)
    talk = ConversationResult(call.room_name)
    try:
        await call.open()
        patience = call.opened + AGENT_SECONDS - time.monotonic()
        await call.wait(lambda: bool(call.sinks or call.lost), patience)
        if not call.sinks:
            talk.failure = call.lost or f"no agent's audio in {call.room_name}"
            return talk
        greeted = await first_voice(call, call.opened, GREETING_SECONDS)
        if greeted is not None:
            talk.greeting_s = round(greeted - call.opened, 3)
            await pause(call, greeted)
        ended = await call.speak(sentence)
        replied = await first_voice(call, ended, ended - time.monotonic() + REPLY_SECONDS)
        if replied is None:
            talk.failure = f"no reply in {call.room_name} within {REPLY_SECONDS:.0f} s"
        else:
            talk.reply_s = round(replied - ended, 3)
            await pause(call, replied)
            await _read(talk, call, transcripts, ended, expect)
        _judge_agents(talk, call)
    except ServerError as error:
        talk.failure = str(error)
    finally:
        await transcripts.aclose()
        await call.close()
    return talk


async def reply_times(
    server: Server, suite: str, sentence: signal.Samples, turns: int
) -> tuple[list[float], str | None]:
    """Say the sentence `turns` times in one call: milliseconds to each reply, what went wrong.

    None is said after one without a reply. Raises ServerError.
    """
    call = Call(server, server.new_room(suite), bed=False)
    replies: list[float] = []
    try:
        await call.open()
        await call.wait(lambda: bool(call.sinks or call.lost), AGENT_SECONDS)
        if not call.sinks:
            return [], call.lost or f"no agent's audio in {call.room_name}"
        heard = await first_voice(call, call.opened, GREETING_SECONDS)
        for _ in range(turns):
            if heard is not None:
                await pause(call, heard)
            ended = await call.speak(sentence)
            heard = await first_voice(call, ended, ended - time.monotonic() + REPLY_SECONDS)
            if heard is None:
                why = call.lost or f"no reply within {REPLY_SECONDS:.0f} s"
                return replies, f"{call.room_name}: {why}, after {len(replies)} replies"
            replies.append(round(1000 * (heard - ended), 1))
        if call.most_present > 1:
            return replies, f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    finally:
        await call.close()
    return replies, None


def _judge_agents(talk: ConversationResult, call: Call) -> None:
    agent = call.seen[0].identity
    if call.lost is not None:
        talk.failure = f"connection to {call.room_name} lost: {call.lost}"
    elif call.most_present > 1:
        talk.failure = f"{call.most_present} agents in {call.room_name}, exactly one is wanted"
    elif not app_finds(agent):
        talk.failure = not_found_by_app(agent, call.room_name)


async def _read(
    talk: ConversationResult,
    call: Call,
    transcripts: Transcripts,
    since: float,
    expect: Sequence[str],
) -> None:
    """Wait for the reply's transcript, until it holds the expected words."""
    agent, deadline = call.seen[0].identity, time.monotonic() + WRITTEN_SECONDS
    while True:
        talk.our_words = transcripts.since(since, "stream", call.identity) or None
        talk.our_words = talk.our_words or transcripts.since(since, "event", call.identity) or None
        talk.reply_by_stream = transcripts.since(since, "stream", agent) or None
        talk.reply_by_event = transcripts.since(since, "event", agent) or None
        said = plain(f"{talk.reply_by_stream or ''} {talk.reply_by_event or ''}")
        talk.missing = [words for words in expect if plain(words) not in said]
        if (said and not talk.missing) or time.monotonic() > deadline:
            return
        await asyncio.sleep(LOOK)


async def first_voice(call: Call, since: float, seconds: float) -> float | None:
    """When a voice was first heard after `since` (monotonic seconds), if it is in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and call.lost is None:
        heard = voices(_frames(call, since))
        if heard:
            return heard[0]
        await asyncio.sleep(LOOK)
    return None


async def pause(call: Call, since: float) -> None:
    """Wait until the voice heard since then has been silent for PAUSE."""
    deadline = time.monotonic() + TALK_SECONDS
    while time.monotonic() < deadline and call.lost is None:
        heard = voices(_frames(call, since))
        if heard and time.monotonic() - heard[-1] > PAUSE:
            return
        await asyncio.sleep(LOOK)


def _frames(call: Call, since: float) -> list[tuple[float, signal.Pcm]]:
    return [frame for _, sink in call.sinks for frame in sink.frames() if frame[0] >= since]


def voices(frames: Sequence[tuple[float, signal.Pcm]]) -> list[float]:
    """Arrival times of the frames with a voice: loud, and VOICE_FRAMES in a row."""
    found: list[float] = []
    row: list[float] = []
    for at, samples in frames:
        loud = np.sqrt(np.mean((samples.astype(np.float64) / 32768) ** 2)) > VOICE_RMS
        row = [*row, at] if loud else []
        if len(row) == VOICE_FRAMES:
            found += row
        elif len(row) > VOICE_FRAMES:
            found.append(at)
    return found
