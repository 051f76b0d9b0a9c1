"""LiveKit's names, however they were imported: `rtc.Room`, `agents.JobContext`, `llm.ChatContext`.

Both SDKs re-export from private modules, and people import from either; rules know one name each.
"""

from __future__ import annotations

AGENTS_PARTS = {
    "llm",
    "stt",
    "tts",
    "vad",
    "utils",
    "tokenize",
    "cli",
    "aio",
    "transcription",
    "ipc",
}
AGENTS_HOMES = {
    "job_request",
    "job_context",
    "job",
    "worker",
    "voice_assistant",
    "multimodal",
    "multimodal_agent",
    "assistant",
    "voice",
}
AGENTS_HOMES |= {
    "pipeline",
    "pipeline_agent",
    "agent",
    "agent_session",
    "events",
    "room_io",
    "plugin",
    "apipe",
}
INNER = {
    "rtc": {"room", "participant", "track", "track_publication", "audio_stream", "audio_source"}
    | {
        "audio_frame",
        "chat",
        "video_stream",
        "video_source",
        "video_frame",
        "transcription",
        "e2ee",
    }
    | {"_event_emitter", "event_emitter"},
    "api": {"access_token", "livekit_api", "room_service", "egress_service", "ingress_service"}
    | {"sip_service", "webhook", "twirp_client"},
    "llm": {"chat_context", "function_context", "llm", "tool_context"},
    "stt": {"stt", "stream_adapter"},
    "tts": {"tts", "stream_adapter"},
    "utils": {"misc", "event_emitter", "exp_filter", "moving_average"},
}


def canonical(full: str) -> str | None:
    """The short name of a `livekit.…` name, None for any other."""
    parts = full.split(".")
    if parts[0] != "livekit" or len(parts) < 2:
        return None
    room, rest = parts[1], parts[2:]
    if room == "agents":
        while len(rest) > 1 and rest[0] in AGENTS_HOMES:
            rest = rest[1:]
        if rest and rest[0] in AGENTS_PARTS:
            room, rest = rest[0], rest[1:]
    inner = INNER.get(room, set())
    while len(rest) > 1 and rest[0] in inner:
        rest = rest[1:]
    # Its name from 0.9 to 0.12.
    rest = ["VoiceAssistant" if name == "VoicePipelineAgent" else name for name in rest]
    return ".".join([room, *rest])
