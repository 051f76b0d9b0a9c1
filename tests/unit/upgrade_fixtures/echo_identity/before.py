"""A request function that chooses, names the agent, and is not to be lost."""

import logging
import os

from livekit import rtc
from livekit.agents import JobContext, JobRequest, WorkerOptions, cli

logger = logging.getLogger("echo")


def load() -> float:
    return 0.1


async def run(job: JobContext):
    source = rtc.AudioSource(
        24000,
        1,
    )
    track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    await job.agent.publish_track(track)
    logger.info("job %s in %s", job.id, job.room.name)

    def on_left(participant: rtc.RemoteParticipant):
        if not job.room.participants:
            job.shutdown("empty")

    job.room.on("participant_disconnected", on_left)


async def choose(req: JobRequest) -> None:
    # test rooms are for the other worker
    if req.room.name.startswith("test-"):
        await req.reject()
        return
    logger.info("accepting %s", req.room.name)
    await req.accept(run, name="Eloquence", identity=f"agent-{req.id}", metadata="{}")


if __name__ == "__main__":
    cli.run_app(
        WorkerOptions(
            choose,
            load,
            0.7,  # leave room for the others
            "default",
            ws_url=os.environ.get("LIVEKIT_URL", "ws://localhost:7880"),
            port=8082,
        )
    )
