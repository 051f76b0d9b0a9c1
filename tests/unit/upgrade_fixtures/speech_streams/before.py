"""Speech made and heard without an assistant: what TTS, STT and VAD give."""

import asyncio

from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli, stt, tts, vad
from livekit.agents.aio import interval
from livekit.plugins import openai


async def speak(source: rtc.AudioSource) -> None:
    voice = openai.TTS(model="tts-1", voice="alloy")
    async for output in voice.synthesize("Bonjour."):
        print(output.text)
        await source.capture_frame(output.data)
    if voice.streaming_supported:
        await stream(voice)


async def stream(voice: tts.TTS) -> None:
    pieces = voice.stream()
    pieces.push_text("Bonjour.")
    pieces.mark_segment_end()
    async for piece in pieces:
        if piece.type == tts.SynthesisEventType.AUDIO:
            print(piece.audio)
    await pieces.aclose(wait=True)


async def listen(ear: stt.STT, detector: vad.VAD, track: rtc.Track) -> None:
    heard, voices = ear.stream(), detector.stream()
    async for event in rtc.AudioStream(track):
        heard.push_frame(event.frame)
        voices.push_frame(event.frame)
    async for voice in voices:
        print(voice.duration, voice.raw_inference_prob, voice.frames)
    await heard.aclose(wait=False)
    await voices.aclose()


async def entry(ctx: JobContext) -> None:
    source = rtc.AudioSource(24000, 1)
    await ctx.room.local_participant.publish_track(
        rtc.LocalAudioTrack.create_audio_track("voice", source), rtc.TrackPublishOptions()
    )
    tick = interval(1.0)
    await tick.tick()
    asyncio.create_task(speak(source))


async def request(req: JobRequest) -> None:
    await req.accept(entry)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(request_fnc=request))
