"""Options of v0's assistants and what became of each."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.model import Finding, Rule

OPTION = Rule(
    "assistant-option",
    "assistant",
    "base_volume, sentence_tokenizer, word_tokenizer, hyphenate_word, transcription_speed, computed "
    "interrupt_min_words; of later versions will_synthesize_assistant_reply, before_llm_cb, before_tts_cb, "
    "AssistantTranscriptionOptions, max_text_response_retries",
    "see the flag: volume and before_tts_cb: Agent.tts_node; before_llm_cb: Agent.on_user_turn_completed or "
    "Agent.llm_node; tokenizers: tts.StreamAdapter; pace of the transcript: v1 keeps it in step with the audio",
    False,
    "AgentSession has no such option and refuses the call; the argument is left where it is until you decide",
)
RULES = (OPTION,)

DROPPED = {"debug", "plotting", "preemptive_synthesis", "chat_ctx", "fnc_ctx", "transcription"}
RENAMED = {
    "interrupt_speech_duration": "min_interruption_duration",
    "interrupt_min_words": "min_interruption_words",
    "max_nested_fnc_calls": "max_tool_steps",
    "turn_detector": "turn_detection",
    "model": "llm",  # of a MultimodalAgent
}
_TOKENIZER = "AgentSession(tts=tts.StreamAdapter(tts=…, sentence_tokenizer=…)), where the TTS does not stream"
_PACE = "leave it out: v1 keeps the transcript in step with the audio"
INSTEAD = {
    "base_volume": "change the frames in `async def tts_node(self, text, model_settings)` of your Agent",
    "sentence_tokenizer": _TOKENIZER,
    "word_tokenizer": _TOKENIZER,
    "hyphenate_word": _PACE,
    "transcription_speed": _PACE,
    "transcription": "RoomOutputOptions(transcription_enabled=…) for session.start(); " + _PACE,
    "interrupt_min_words": "min_interruption_words, one more than before: v0 wanted more than it said",
    "will_synthesize_assistant_reply": "`async def llm_node(self, chat_ctx, tools, model_settings)` of your Agent",
    "before_llm_cb": "`async def on_user_turn_completed(self, turn_ctx, new_message)` of your Agent, which may add to "
    "turn_ctx; to answer yourself: llm_node",
    "before_tts_cb": "`async def tts_node(self, text, model_settings)` of your Agent: change the text, then yield "
    "from Agent.default.tts_node",
    "max_text_response_retries": "leave it out: v1 asks a realtime model for audio alone",
    "noise_cancellation": "RoomInputOptions(noise_cancellation=…) for session.start()",
}


def odd(make: cst.Call) -> Iterator[Finding]:
    """A flag for each option that AgentSession does not take."""
    for arg in make.args:
        name, value = arg.keyword.value if arg.keyword else "", arg.value
        if name not in INSTEAD or (name == "base_volume" and goes(arg)):
            continue  # kept, renamed or dropped; whatever else it takes is the target's to say
        if name == "interrupt_min_words" and isinstance(value, cst.Integer):
            continue
        if name != "transcription" or stays(arg):
            yield Finding(OPTION, arg, f"{name}: {INSTEAD[name]}")


def stays(arg: cst.Arg) -> bool:
    """How a transcript looks is no yes or no: flagged where it is."""
    return isinstance(arg.value, cst.Call)


def goes(arg: cst.Arg) -> bool:
    name = arg.keyword.value if arg.keyword else ""
    if name == "transcription" and stays(arg):
        return False
    return name in DROPPED or (
        name == "base_volume"
        and isinstance(arg.value, cst.Float | cst.Integer)
        and float(arg.value.value) == 1
    )


def renamed(arg: cst.Arg) -> cst.Arg:
    name, value = arg.keyword.value if arg.keyword else "", arg.value
    if name == "interrupt_min_words":
        if not isinstance(value, cst.Integer):
            return arg
        words = int(value.value)
        more = cst.Integer(str(words + 1 if words else 0))
        return arg.with_changes(keyword=cst.Name(RENAMED[name]), value=more)
    return arg.with_changes(keyword=cst.Name(RENAMED[name])) if name in RENAMED else arg
