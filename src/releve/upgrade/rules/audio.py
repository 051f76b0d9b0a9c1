"""Audio: streams give events, sources have a queue, frames no longer resample themselves."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.era import Era
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import argument, bind, expression, keyword, rebuild, rename

QUEUE = Rule(
    "audio-source-queue",
    "audio",
    "rtc.AudioSource(rate, channels)",
    "rtc.AudioSource(rate, channels, queue_size_ms=10)",
    True,
    "v0's capture_frame() returned when the frame was taken; v1 takes up to a second ahead by default, "
    "which an echo adds to every round trip and an interruption has to play out. 10 keeps v0's pace (0 "
    "panics in this version); for speech that is made faster than it plays, give more and use clear_queue(). "
    "From livekit 0.16 on (livekit-agents 0.9) the default was v1's already: what is written for it stays",
)
EVENT = Rule(
    "audio-frame-event",
    "audio",
    "async for frame in rtc.AudioStream(track): … frame used as a frame",
    "frame.frame: the stream gives AudioFrameEvent (VideoStream: VideoFrameEvent)",
    True,
    "0.11.1 and 1.0.10 both give events; code written for an older SDK took frames",
)
RESAMPLE = Rule(
    "audio-resample",
    "audio",
    "frame.remix_and_resample(rate, channels)",
    "rtc.AudioStream(track, sample_rate=…, num_channels=…), or rtc.AudioResampler(in_rate, out_rate)",
    False,
    "the method is gone; a stream resamples by itself, a resampler keeps state from frame to frame",
)
TRANSCRIPTION = Rule(
    "transcription",
    "audio",
    "rtc.Transcription(…, track_id=…, segments=[…], language=…)",
    "rtc.Transcription(…, track_sid=…, segments=[rtc.TranscriptionSegment(…, language=…)])",
    True,
    "the language belongs to each segment, and is required; flagged where the segments are computed",
)
RULES = (QUEUE, EVENT, RESAMPLE, TRANSCRIPTION)

FRAME = {"data", "sample_rate", "num_channels", "samples_per_channel", "width", "height", "convert"}
FRAME |= {"remix_and_resample"}
TAKES_FRAMES = ("capture_frame", "push_frame")
EVENTS = ("rtc.AudioFrameEvent", "rtc.VideoFrameEvent")
SEGMENT = ("id", "text", "start_time", "end_time", "final")


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for call in code.calls("rtc.AudioSource") if context.era is Era.OLD else ():
        bound = bind(call.args, ("sample_rate", "num_channels", "queue_size_ms", "loop"))
        if bound is not None and "queue_size_ms" not in bound:
            yield Finding(QUEUE, call, "queue_size_ms=10, the pace of v0", ((call, _with_queue),))
    for name in code.all(cst.Name):
        if kinds.of(name) in EVENTS and _as_frame(context, name):
            edit: Edit = lambda node: cst.Attribute(node, cst.Name("frame"))  # noqa: E731
            yield Finding(EVENT, name, f"{name.value}.frame", ((name, edit),))
    for node in code.all(cst.Attribute):
        if node.attr.value == "remix_and_resample":
            yield Finding(RESAMPLE, node, RESAMPLE.v1)
    moved: set[int] = set()
    for call in code.calls("rtc.Transcription"):
        for finding in _transcription(context, call):
            moved |= {id(node) for node, _ in finding.edits}
            yield finding
    for call in code.calls("rtc.TranscriptionSegment"):
        if id(call) not in moved and argument(call.args, "language") is None and len(call.args) < 6:
            advice = "give it the language that its Transcription had: language=…"
            yield Finding(TRANSCRIPTION, call, advice)


def _with_queue(call: cst.Call) -> cst.Call:
    return rebuild(call, [*call.args, keyword("queue_size_ms", cst.Integer("10"))])


def _as_frame(context: Context, name: cst.Name) -> bool:
    above = context.code.parent(name)
    if isinstance(above, cst.Attribute):
        return above.value is name and above.attr.value in FRAME
    if isinstance(above, cst.Arg) and above.value is name:
        call = context.code.parent(above)
        return (
            isinstance(call, cst.Call)
            and isinstance(call.func, cst.Attribute)
            and call.func.attr.value in TAKES_FRAMES
        )
    return False


def _transcription(context: Context, call: cst.Call) -> Iterator[Finding]:
    code = context.code
    bound = bind(call.args, ("participant_identity", "track_id", "segments", "language"))
    if bound is None or not (argument(call.args, "track_id") or "language" in bound):
        return
    segments = bound["segments"].value if "segments" in bound else None
    made = [e.value for e in segments.elements] if isinstance(segments, cst.List) else [None]
    edits: list[tuple[cst.CSTNode, Edit]] = []
    if "language" in bound:
        text = code.text(bound["language"].value)
        for segment in made:
            if (
                not isinstance(segment, cst.Call)
                or code.name(segment) != "rtc.TranscriptionSegment"
            ):
                advice = "write track_sid for track_id, and give the language to every TranscriptionSegment"
                yield Finding(TRANSCRIPTION, call, advice)
                return
            edits.append((segment, lambda node: _segment(node, text)))
    edits.append((call, _named))
    yield Finding(
        TRANSCRIPTION, call, "track_sid=…, and the language in each segment", tuple(edits)
    )


def _segment(call: cst.Call, language: str) -> cst.Call:
    args = []
    for place, arg in enumerate(call.args):
        made = (
            arg if arg.keyword else keyword(SEGMENT[place], arg.value).with_changes(comma=arg.comma)
        )
        args.append(made)
    return rebuild(call, [*args, keyword("language", expression(language))])


def _named(call: cst.Call) -> cst.Call:
    order, args = ("participant_identity", "track_sid", "segments", "language"), []
    for place, arg in enumerate(call.args):
        name = arg.keyword.value if arg.keyword else order[place]
        if name == "language":
            continue
        if arg.keyword and name == "track_id":
            arg = arg.with_changes(keyword=rename("track_sid")(arg.keyword))
        args.append(arg)
    return rebuild(call, args)
