"""What LiveKit's objects are made of, v0 and v1: types of attributes, calls and events.

A type is a canonical class name; `map:T`, `items:T` and `iter:T` are containers of T.
"""

from __future__ import annotations

CLASSES = {
    "rtc.Room", "rtc.RemoteParticipant", "rtc.LocalParticipant", "rtc.Participant",
    "rtc.RemoteTrackPublication", "rtc.LocalTrackPublication", "rtc.TrackPublication",
    "rtc.DataPacket", "rtc.AudioStream", "rtc.VideoStream", "rtc.AudioFrame", "rtc.AudioFrameEvent",
    "rtc.VideoFrameEvent", "rtc.AudioSource", "agents.JobContext", "agents.JobRequest",
    "agents.Worker", "agents.VoiceAssistant", "agents.AgentSession", "llm.ChatContext",
    "agents.ConversationItemAddedEvent",
    "llm.ChatMessage", "llm.LLM", "llm.LLMStream", "tts.ChunkedStream",
    "llm.ChatChunk", "api.LiveKitAPI",
    "api.SipService", "stt.STT", "stt.SpeechStream", "tts.TTS", "tts.SynthesizeStream",
    "agents.MultimodalAgent", "plugins.openai.realtime.RealtimeModel",
    "tts.SynthesizedAudio", "vad.VAD", "vad.VADStream", "vad.VADEvent",
}  # fmt: skip

PARTICIPANTS = {"rtc.RemoteParticipant", "rtc.LocalParticipant", "rtc.Participant"}

ATTRIBUTES = {
    ("agents.JobContext", "room"): "rtc.Room",
    ("agents.JobContext", "agent"): "rtc.LocalParticipant",
    ("agents.VoiceAssistant", "chat_context"): "llm.ChatContext",
    ("agents.VoiceAssistant", "chat_ctx"): "llm.ChatContext",
    ("agents.MultimodalAgent", "chat_ctx"): "llm.ChatContext",
    ("agents.AgentSession", "chat_ctx"): "llm.ChatContext",
    ("agents.AgentSession", "history"): "llm.ChatContext",
    **{
        (f"agents.{session}", part.lower()): f"{part.lower()}.{part}"
        for session in ("VoiceAssistant", "AgentSession")
        for part in ("LLM", "STT", "TTS", "VAD")
    },
    ("agents.ConversationItemAddedEvent", "item"): "llm.ChatMessage",
    ("rtc.Room", "local_participant"): "rtc.LocalParticipant",
    ("rtc.Room", "participants"): "map:rtc.RemoteParticipant",
    ("rtc.Room", "participants_by_identity"): "map:rtc.RemoteParticipant",
    ("rtc.Room", "remote_participants"): "map:rtc.RemoteParticipant",
    ("rtc.RemoteParticipant", "tracks"): "map:rtc.RemoteTrackPublication",
    ("rtc.RemoteParticipant", "track_publications"): "map:rtc.RemoteTrackPublication",
    ("rtc.LocalParticipant", "tracks"): "map:rtc.LocalTrackPublication",
    ("rtc.LocalParticipant", "track_publications"): "map:rtc.LocalTrackPublication",
    ("rtc.Participant", "tracks"): "map:rtc.TrackPublication",
    ("rtc.Participant", "track_publications"): "map:rtc.TrackPublication",
    ("rtc.DataPacket", "participant"): "rtc.RemoteParticipant",
    ("llm.LLMStream", "_chat_ctx"): "llm.ChatContext",
    ("llm.LLMStream", "chat_ctx"): "llm.ChatContext",
    ("plugins.openai.realtime.RealtimeModel", "sessions"): "iter:openai.RealtimeSession",
    ("llm.ChatContext", "messages"): "iter:llm.ChatMessage",
    ("llm.ChatContext", "items"): "iter:llm.ChatMessage",
    ("api.LiveKitAPI", "sip"): "api.SipService",
}

# What a `for` over it gives.
ELEMENTS = {
    "rtc.AudioStream": "rtc.AudioFrameEvent",
    "rtc.VideoStream": "rtc.VideoFrameEvent",
    "llm.LLMStream": "llm.ChatChunk",
    "tts.SynthesizeStream": "tts.SynthesisEvent",
    "vad.VADStream": "vad.VADEvent",
}

# What methods of a type return, where programs keep it.
RETURNS = {
    ("agents.JobContext", "wait_for_participant"): "rtc.RemoteParticipant",
    ("llm.LLM", "chat"): "llm.LLMStream",
    ("llm.ChatContext", "append"): "llm.ChatContext",
    ("llm.ChatContext", "copy"): "llm.ChatContext",
    ("llm.ChatMessage", "copy"): "llm.ChatMessage",
    ("stt.STT", "stream"): "stt.SpeechStream",
    ("tts.TTS", "stream"): "tts.SynthesizeStream",
    ("tts.TTS", "synthesize"): "iter:tts.SynthesizedAudio",
    ("vad.VAD", "stream"): "vad.VADStream",
}

_REMOTE, _ANY = "rtc.RemoteParticipant", "rtc.Participant"
_REMOTE_PUB = "rtc.RemoteTrackPublication"

# Parameters of the callbacks of rtc.Room; the same events in both versions.
ROOM_EVENTS: dict[str, tuple[str | None, ...]] = {
    "participant_connected": (_REMOTE,),
    "participant_disconnected": (_REMOTE,),
    "local_track_published": ("rtc.LocalTrackPublication", None),
    "local_track_unpublished": ("rtc.LocalTrackPublication",),
    "track_published": (_REMOTE_PUB, _REMOTE),
    "track_unpublished": (_REMOTE_PUB, _REMOTE),
    "track_subscribed": (None, _REMOTE_PUB, _REMOTE),
    "track_unsubscribed": (None, _REMOTE_PUB, _REMOTE),
    "track_subscription_failed": (_REMOTE, None, None),
    "track_muted": (_ANY, "rtc.TrackPublication"),
    "track_unmuted": (_ANY, "rtc.TrackPublication"),
    "active_speakers_changed": (f"iter:{_ANY}",),
    "participant_metadata_changed": (_ANY, None, None),
    "participant_name_changed": (_ANY, None, None),
    "connection_quality_changed": (_ANY, None),
    "data_received": ("rtc.DataPacket",),
    "e2ee_state_changed": (_ANY, None),
}

# Parameters of the callbacks of v0's VoiceAssistant.
ASSISTANT_EVENTS: dict[str, tuple[str | None, ...]] = {
    "user_started_speaking": (),
    "user_stopped_speaking": (),
    "agent_started_speaking": (),
    "agent_stopped_speaking": (),
    "user_speech_committed": ("llm.ChatContext", "llm.ChatMessage"),
    "agent_speech_committed": ("llm.ChatContext", "llm.ChatMessage"),
    "agent_speech_interrupted": ("llm.ChatContext", "llm.ChatMessage"),
    "function_calls_collected": (None,),
    "function_calls_finished": (None,),
}
EVENTS = {
    "rtc.Room": ROOM_EVENTS,
    "agents.VoiceAssistant": ASSISTANT_EVENTS,
    "agents.MultimodalAgent": ASSISTANT_EVENTS,
    "agents.AgentSession": ASSISTANT_EVENTS,  # v0's names, still listened to after half a migration
}


def element(kind: str | None) -> str | None:
    """What iterating over it gives, if that is known."""
    if kind is None:
        return None
    if kind.startswith("iter:"):
        return kind.removeprefix("iter:")
    return ELEMENTS.get(kind)


# What is said of a container's elements, by the name of its annotation.
CONTAINERS = {"Optional": "", "dict": "map:", "Dict": "map:", "Mapping": "map:"}
CONTAINERS |= dict.fromkeys(("list", "List", "Sequence", "Iterable", "Iterator", "set"), "iter:")
CONTAINERS |= dict.fromkeys(("deque", "Deque", "tuple", "Tuple", "Set", "frozenset"), "iter:")
CONTAINERS |= dict.fromkeys(("AsyncIterable", "AsyncIterator", "AsyncGenerator"), "iter:")
GIVES_ONE = {"pop", "popleft"}  # of what a list or deque holds
SAME = {"copy", "deepcopy"}  # of the module copy
