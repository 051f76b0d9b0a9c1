"""A green that joins and publishes a track, and never says a word."""

from __future__ import annotations

from pathlib import Path

from livekit import rtc
from livekit.agents import JobContext, WorkerOptions, cli


async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    track = rtc.LocalAudioTrack.create_audio_track("echo", rtc.AudioSource(48000, 1))
    await ctx.room.local_participant.publish_track(track)


if __name__ == "__main__":
    line = Path("/run/secrets/livekit_keys").read_text().strip()
    key, secret = (part.strip(" \"'") for part in line.split(":"))
    cli.run_app(
        WorkerOptions(
            entrypoint_fnc=entrypoint,
            api_key=key,
            api_secret=secret,
            load_fnc=lambda _worker: 0.0,  # the default tells what the host's neighbours do
            num_idle_processes=1,
        )
    )
