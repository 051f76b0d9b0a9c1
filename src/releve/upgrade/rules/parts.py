"""What STT, TTS and VAD give: names that changed on their streams and events."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import argument, rebuild, rename

SPEECH = Rule(
    "speech-names",
    "plugins",
    "audio.data and .text of tts.synthesize(…), stream.mark_segment_end(), part.streaming_supported, "
    "duration of a VADEvent",
    "audio.frame and .delta_text, stream.flush(), part.capabilities.streaming, speech_duration",
    True,
    "the same things under their new names",
)
STREAM = Rule(
    "speech-stream",
    "plugins",
    "ev.type and ev.audio of a TTS stream, await stream.aclose(wait=True), ev.raw_inference_prob, "
    "stream.called_functions",
    "a TTS stream gives SynthesizedAudio: ev.frame, ev.is_final; stream.end_input(), read it to its end, "
    "then aclose()",
    False,
    "v1's aclose() never waits, and what it has not given yet is lost",
)
RULES = (SPEECH, STREAM)

STREAMS = {"tts.SynthesizeStream", "stt.SpeechStream", "vad.VADStream"}
NAMES = {
    ("tts.SynthesizedAudio", "data"): "frame",
    ("tts.SynthesizedAudio", "text"): "delta_text",
    ("tts.SynthesizeStream", "mark_segment_end"): "flush",
    ("vad.VADEvent", "duration"): "speech_duration",
}
BY_HAND = {
    (
        "tts.SynthesisEvent",
        "type",
    ): "the stream gives audio alone: no type; ev.is_final ends a segment",
    ("tts.SynthesisEvent", "audio"): "ev is the audio: ev.frame",
    ("vad.VADEvent", "raw_inference_prob"): "ev.probability",
    (
        "llm.LLMStream",
        "called_functions",
    ): "stream.collect(), or chunk.delta.tool_calls of every chunk",
}


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for node in code.all(cst.Attribute):
        kind, attr = kinds.of(node.value) or "", node.attr.value
        if new := NAMES.get((kind, attr)):
            yield Finding(SPEECH, node, new, ((node, rename(new)),))
        elif advice := BY_HAND.get((kind, attr)):
            yield Finding(STREAM, node, advice)
        elif attr == "streaming_supported" and kind in ("tts.TTS", "stt.STT"):
            yield Finding(SPEECH, node, "capabilities.streaming", ((node, _capability),))
        elif attr == "aclose" and kind in STREAMS:
            call = code.parent(node)
            wait = argument(call.args, "wait") if isinstance(call, cst.Call) else None
            if wait is not None and code.text(wait.value) == "False":
                none: Edit = lambda new: rebuild(new, [])  # noqa: E731
                yield Finding(SPEECH, node, "aclose()", ((call, none),))  # type: ignore[arg-type]
            elif wait is not None:
                yield Finding(
                    STREAM, node, "end_input(), read the stream to its end, then aclose()"
                )


def _capability(node: cst.Attribute) -> cst.Attribute:
    return cst.Attribute(rename("capabilities")(node), cst.Name("streaming"))
