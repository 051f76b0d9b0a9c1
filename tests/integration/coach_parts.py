"""Promises of the coach's parts, asserted; run by the green interpreter, which has its SDK."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "agent_src" / "green"))
sys.path.insert(0, str(Path(__file__).parents[2] / "agent_src" / "shared"))

import coach
import handover
import settings
from livekit.agents import metrics
from telling import Stages

# A handover tells the language and what was said; what is no handover begins a new call.
told = handover.read('{"language": "fr", "history": [{"role": "user", "content": "bonjour"}]}')
assert told.language == "fr"
assert [item.text_content for item in told.history.items] == ["bonjour"]
for other in ("", "nonsense", "[]", '"x"', '{"history": [{"role": "root", "content": "x"}]}'):
    context = handover.read(other)
    assert (context.language, context.history.items) == (None, []), other

# Each service has its own URL, model and key; what it lacks is the common one's.
with tempfile.NamedTemporaryFile("w") as key:
    key.write("s3cret\n")
    key.flush()
    env = {"COACH_URL": "http://all/v1", "COACH_TTS_URL": "https://tts/v1"}
    env |= {"COACH_TTS_MODEL": "piper", "COACH_TTS_KEY_FILE": key.name}
    at = settings.endpoint("TTS", "espeak-ng", env)
    assert at == settings.Endpoint("https://tts/v1", "piper", "s3cret")
assert settings.endpoint("STT", "m", env) == settings.Endpoint("http://all/v1", "m", "none")
for wrong in ({"COACH_URL": "speech:80"}, {"COACH_STT_KEY_FILE": "/nowhere"}):
    try:
        settings.endpoint("STT", "m", wrong)
    except settings.SettingsError as error:
        assert "COACH_STT" in str(error), error
    else:
        raise AssertionError(wrong)

# How long a service may take can be told, and only as a time.
assert settings.service_seconds({}) == 5
assert settings.service_seconds({"COACH_SERVICE_SECONDS": "12.5"}) == 12.5
for wrong in ("soon", "0", "-1", "nan", "61"):
    try:
        settings.service_seconds({"COACH_SERVICE_SECONDS": wrong})
    except settings.SettingsError as error:
        assert wrong in str(error), error
    else:
        raise AssertionError(wrong)

# A turn's stages are told once, with the first audio; a tool's two answers both count.
stages, base = Stages(0.4), {"label": "x", "request_id": "", "timestamp": 0.0, "duration": 0.0}
heard = {"audio_duration": 1.0, "cancelled": False, "characters_count": 1, "streamed": False}
audio = metrics.TTSMetrics(ttfb=0.1, **base, **heard)
assert stages.add(audio) is None, "a greeting is no turn"
end = {"end_of_utterance_delay": 0.5, "transcription_delay": 0.45}
stages.add(metrics.EOUMetrics(timestamp=0.0, on_user_turn_completed_delay=0.0, **end))
thought = {"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2, "tokens_per_second": 1.0}
thought |= {"prompt_cached_tokens": 0, "cancelled": False}
for _ in range(2):
    assert stages.add(metrics.LLMMetrics(ttft=0.3, **base, **thought)) is None
wanted = {"vad": 0.4, "stt": 0.05, "wait": 0.05, "llm": 0.6, "tts": 0.1, "total": 1.2}
assert stages.add(audio) == wanted
assert stages.add(audio) is None

# Why a service gave no answer is said by what happened first.
assert coach._why(TimeoutError()) == "none within 5 s"
try:
    try:
        raise ConnectionRefusedError(111, "Connection refused")
    except OSError as refused:
        raise ValueError("Connection error.") from refused
except ValueError as error:
    assert "Connection refused" in coach._why(error)
print("kept")
