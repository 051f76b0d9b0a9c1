"""What to write in place of what the target does not have or take."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from releve.upgrade.gone import GONE, instead
from releve.upgrade.target.signatures import Target

# (class, attribute or keyword) -> what to write.
_GROQ = "openai.LLM(base_url='https://api.groq.com/openai/v1', api_key=os.environ['GROQ_API_KEY'], model=…), "
_GROQ += "or livekit.plugins.groq.LLM(model=…)"
_REALTIME = "Agent(instructions=…), which session.start() is given"
_PARTS = "message.content is one list: text, llm.ImageContent(image=…), llm.AudioContent(frame=…)"
_CALLS = "calls are items of their own: llm.FunctionCall and llm.FunctionCallOutput, with call_id, name, arguments"
_VOICE = "voice_id='…', and voice_settings=elevenlabs.VoiceSettings(…) for what its settings= said"
INSTEAD: dict[tuple[str, str], str] = {
    ("openai.LLM", "with_groq"): _GROQ,
    ("openai.LLM", "with_vertex"): "livekit.plugins.google.LLM(vertexai=True, …)",
    ("openai.LLM", "max_tokens="): "max_completion_tokens=",
    ("openai.STT", "with_groq"): _GROQ.replace("LLM", "STT"),
    (
        "livekit.plugins.openai",
        "create_azure_client",
    ): "openai.LLM.with_azure(…), openai.TTS.with_azure(…)",
    ("livekit.plugins.openai.models", "WhisperModels"): "STTModels",
    ("elevenlabs.TTS", "model_id="): "model=",
    ("elevenlabs.TTS", "voice="): _VOICE,
    ("elevenlabs.TTS", "optimize_stream_latency="): "streaming_latency=",
    ("elevenlabs.TTS", "sample_rate="): "encoding='mp3_22050_32' tells it",
    ("cartesia.TTS", "model_id="): "model=",
    ("openai.RealtimeModel", "instructions="): _REALTIME,
    (
        "openai.RealtimeModel",
        "modalities=",
    ): "leave it out: a realtime model speaks; text alone is not asked for here",
    (
        "openai.RealtimeModel",
        "sessions",
    ): "the AgentSession itself: session.generate_reply(…), session.interrupt()",
    (
        "openai.RealtimeModel",
        "max_response_output_tokens=",
    ): "model.update_options(max_response_output_tokens=…)",
    ("openai.RealtimeModel", "input_audio_format="): "leave it out: the SDK chooses it",
    ("openai.RealtimeModel", "output_audio_format="): "leave it out: the SDK chooses it",
    (
        "AgentSession.start",
        "participant=",
    ): "room_input_options=RoomInputOptions(participant_identity=…)",
    (
        "AgentSession.generate_reply",
        "on_duplicate=",
    ): "leave it out: await session.interrupt() first to cut the answer off",
    ("AgentSession", "fnc_ctx"): "session.current_agent.tools",
    ("AgentSession", "chat_ctx"): "session.history, or session.current_agent.chat_ctx",
    ("ChatMessage", "images"): _PARTS,
    ("ChatMessage", "text"): "text_content",
    ("ChatMessage", "text="): "content=[text]",
    ("ChatMessage", "images="): _PARTS,
    ("ChatMessage", "name"): "keep names yourself, by message.id; a message has none",
    ("ChatMessage", "tool_calls"): _CALLS,
    ("ChatMessage", "tool_call_id"): _CALLS,
    ("ChatMessage", "tool_exception"): "llm.FunctionCallOutput.is_error",
    ("ChatContext", "_metadata"): "keep it in session.userdata",
    ("ChatContext", "messages"): "items",
    ("ChatContext", "append"): "add_message(role=…, content=[…]), which gives the message",
    ("ChatContext", "messages="): "ChatContext([…])",
    ("LLMStream.__init__", "fnc_ctx="): "tools=, a list of function tools, which chat() is given",
    ("LLMStream", "fnc_ctx"): "tools",
    ("LLMStream", "_fnc_ctx"): "self._tools",
    ("JobContext", "create_task"): "task = asyncio.create_task(…), and keep the task",
    ("livekit.agents", "run_app"): "cli.run_app(WorkerOptions(entrypoint_fnc=…))",
    (
        "Worker",
        "request_handler=",
    ): "cli.run_app(WorkerOptions(entrypoint_fnc=…)) in place of the Worker",
    ("WorkerOptions", "worker_type="): "WorkerType.ROOM or WorkerType.PUBLISHER, of livekit.agents",
    ("a list", "strip"): "message.text_content",
}


def of_name(target: Target, full: str, home: str, missing: str) -> str:
    """For a name that is reached by imports."""
    if told := GONE.get(full) or instead(full):
        return told
    return of_member(target, home, missing)


def of_member(target: Target, home: str, missing: str) -> str:
    told = INSTEAD.get((label(home), missing))
    names = target.members(home) if target.known(home) else target.names(home)
    return told or nearest(missing, names)


def close(missing: str, names: Iterable[str]) -> str:
    found = get_close_matches(missing, list(names), n=2, cutoff=0.7) if missing else []
    return f"perhaps {' or '.join(found)}" if found else ""


def nearest(missing: str, names: Iterable[str]) -> str:
    known = list(names)
    if found := close(missing, known):
        return found
    if len(known) <= 12 and known:
        return f"there is {', '.join(known)}"
    return "leave it out, or find what took its place in LiveKit's documentation of this version"


def label(home: str) -> str:
    """A class or module as programs know it: `openai.LLM`, `ChatMessage`."""
    if home.startswith(("iter:", "items:", "map:")):
        return "a dict" if home.startswith("map:") else "a list"
    name = home.rpartition(":")[2]
    parts = name.split(".")
    if name.startswith("livekit.plugins.") and len(parts) > 3 and parts[-1][:1].isupper():
        return f"{parts[2]}.{parts[-1]}"
    return parts[-1] if parts[-1][:1].isupper() else name
