"""Plugins and speech parts: silero's constructor, and classes that programs derive themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.era import Era
from releve.upgrade.model import Edit, Finding, Rule
from releve.upgrade.syntax.edit import expression, keyword, rebuild

SILERO = Rule(
    "silero-load",
    "plugins",
    "silero.VAD(), silero.VAD(use_onnx=…)",
    "silero.VAD.load()",
    True,
    "v1 loads the model that is in the package (no torch, no download); flagged with model_path",
)
OPENAI = Rule(
    "default-models",
    "plugins",
    "openai.STT(), openai.TTS() and deepgram.STT() without model, openai.TTS() without voice beside a VoiceAssistant",
    'openai.STT(model="whisper-1"), openai.TTS(model="tts-1", voice="alloy"), deepgram.STT(model="nova-2-general")',
    True,
    "v1's defaults are other models, which a server of your own may not have, and deepgram's takes no keywords=: "
    "v0's are written out. A program that is v1 already keeps what it has",
)
SESSION = Rule(
    "openai-http-session",
    "plugins",
    "openai.STT(http_session=…), openai.TTS(http_session=…)",
    "client=openai.AsyncClient(…), or nothing",
    False,
    "v1 speaks through the client of the openai package",
)
DERIVED = Rule(
    "own-speech-part",
    "plugins",
    "a class of your own derived from vad.VAD, stt.STT, tts.TTS, llm.LLM or one of their streams, or one "
    "derived from a plugin's that has a recognize(), synthesize(), stream() or chat() of its own",
    "VAD/STT/TTS: super().__init__(capabilities=…); streams: async def _run(…) that feeds self._event_ch "
    "or the output emitter; LLM: def chat(self, *, chat_ctx, tools, conn_options, …)",
    False,
    "v1 asks for other methods: what the old ones did has to be put into them",
)
RULES = (SILERO, OPENAI, SESSION, DERIVED)

STT, TTS, DEEPGRAM = "plugins.openai.STT", "plugins.openai.TTS", "plugins.deepgram.STT"
DEFAULTS = {STT: {"model": '"whisper-1"'}, TTS: {"model": '"tts-1"', "voice": '"alloy"'}}
DEFAULTS |= {DEEPGRAM: {"model": '"nova-2-general"'}}
_STREAM = (
    "super().__init__(…) with its parent, and async def _run(self) in place of __anext__, reading "
)
_STREAM += "self._input_ch and sending to self._event_ch"
_SOUND = "async def _run(self, output_emitter), which initializes it and pushes bytes"
# Base class -> what it asks for in v1.
_MADE = {
    "vad.VAD": "super().__init__(capabilities=vad.VADCapabilities(update_interval=…)), stream() without options",
    "vad.VADStream": "super().__init__(vad), and async def _main_task(self) in place of __anext__, reading "
    "self._input_ch and sending VADEvents to self._event_ch",
    "stt.STT": "super().__init__(capabilities=stt.STTCapabilities(streaming=…, interim_results=…)), and "
    "async def _recognize_impl(self, buffer, *, language, conn_options)",
    "stt.SpeechStream": _STREAM,
    "tts.TTS": "super().__init__(capabilities=tts.TTSCapabilities(streaming=…), sample_rate=…, num_channels=…), "
    "and def synthesize(self, text, *, conn_options)",
    "tts.ChunkedStream": _SOUND,
    "tts.SynthesizeStream": _SOUND,
    "llm.LLM": "def chat(self, *, chat_ctx, tools, conn_options, …), which returns an LLMStream",
    "llm.LLMStream": _STREAM,
}
V0_PARAMS = {"history", "min_speaking_duration", "wait"}
V0_METHODS = {"__anext__", "push_frame", "push_text"}
PLUGIN = re.compile(r"plugins\..*\.(LLM|STT|TTS|VAD)")
OVERRIDDEN = {"recognize", "synthesize", "stream", "chat"}


def find(context: Context) -> Iterator[Finding]:
    code = context.code
    for call in code.calls("plugins.silero.VAD"):
        if any(a.keyword is None or a.keyword.value != "use_onnx" for a in call.args):
            yield Finding(
                SILERO, call, "silero.VAD.load(): it brings its model; model_path is gone"
            )
            continue
        yield Finding(SILERO, call, "silero.VAD.load()", ((call, _load),))
    for call in code.calls(STT, TTS):
        if any(a.keyword and a.keyword.value == "http_session" for a in call.args):
            yield Finding(SESSION, call, SESSION.v1)
    v0 = bool(code.calls("agents.VoiceAssistant"))
    for name, defaults in DEFAULTS.items() if context.era is not Era.V1 else ():
        for call in code.calls(name):
            given = {a.keyword.value for a in call.args if a.keyword}
            told = "model" in given and not v0  # then it may be v1's already
            if (
                _v1(given)
                or any(a.star or not a.keyword for a in call.args)
                or told
                or "use_realtime" in given
            ):
                continue
            missing = {key: value for key, value in defaults.items() if key not in given}
            if not missing:
                continue
            yield Finding(
                OPENAI,
                call,
                ", ".join(f"{k}={v}" for k, v in missing.items()),
                ((call, _with(missing)),),
            )
    for node in code.all(cst.ClassDef):
        names = [code.name(a.value) or "" for a in node.bases]
        base = next((name for name in names if name in _MADE), None)
        if base and _v0(node):
            yield Finding(DERIVED, node, f"{base} in v1: {_MADE[base]}")
        part = next((m[1] for name in names if (m := PLUGIN.fullmatch(name))), None)
        if part and _overrides(node):
            base = f"{part.lower()}.{part}"
            yield Finding(DERIVED, node, f"{base} in v1: {_MADE[base]}")


def _v1(given: set[str]) -> bool:
    return bool(given & {"client", "prompt", "turn_detection", "noise_reduction_type"})


def _load(call: cst.Call) -> cst.Call:
    return rebuild(call, []).with_changes(func=cst.Attribute(call.func, cst.Name("load")))


def _with(missing: dict[str, str]) -> Edit:
    def edit(call: cst.Call) -> cst.Call:
        return rebuild(call, [*call.args, *(keyword(k, expression(v)) for k, v in missing.items())])

    return edit


def _overrides(node: cst.ClassDef) -> bool:
    """Whether it has a method that v1 calls with more than v0 did, and does not take that."""
    for method in node.body.body:
        if isinstance(method, cst.FunctionDef) and method.name.value in OVERRIDDEN:
            params = {p.name.value for p in [*method.params.params, *method.params.kwonly_params]}
            if "conn_options" not in params and method.params.star_kwarg is None:
                return True
    return False


def _v0(node: cst.ClassDef) -> bool:
    """Whether it has the methods or parameters that only v0 asked for."""
    methods = [s for s in node.body.body if isinstance(s, cst.FunctionDef)]
    for method in methods:
        params = {p.name.value for p in [*method.params.params, *method.params.kwonly_params]}
        if method.name.value in V0_METHODS or params & V0_PARAMS:
            return True
    return "streaming_supported" in cst.Module([]).code_for_node(node)
