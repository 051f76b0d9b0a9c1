"""Constructors of plugins whose arguments have other names now."""

from livekit.plugins import azure, cartesia, deepgram, elevenlabs, google, openai, silero

vad = silero.VAD.load(min_speech_duration=0.1, padding_duration=0.2)
ears = deepgram.STT(keywords=[("soup", 1.5)], model="nova-2-general")
other_ears = deepgram.STT(model="nova-2", min_silence_duration=10)
voice = elevenlabs.TTS(
    model_id="eleven_turbo_v2",
    voice=elevenlabs.Voice(id="x", name="Y", category="premade"),
)
second = cartesia.TTS(model_id="sonic")
third = google.TTS(language="de-DE", nothing=True)
fourth = azure.TTS(voice="de-DE-KatjaNeural", endpoint_id="x")
mind = openai.LLM(model="gpt-4o", max_tokens=100)
hosted = openai.LLM.with_vertex(model="x")
