"""Names that came after 0.7.2 and went, moved or changed before 1.0."""

from livekit import agents
from livekit.agents import JobContext, WorkerOptions, cli, metrics
from livekit.agents.types import ATTRIBUTE_AGENT_STATE
from livekit.agents.metrics import EOUMetrics, LLMMetrics
from livekit.agents.tts import SynthesizedAudioEmitter


def note(measured: metrics.AgentMetrics):
    if isinstance(measured, EOUMetrics):
        print(measured.end_of_utterance_delay)
    if isinstance(measured, (LLMMetrics, metrics.TTSMetrics)):
        print(measured.duration, SynthesizedAudioEmitter)
    if isinstance(measured, metrics.MultimodalLLMMetrics):
        print(agents.AgentState)


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    here = ctx.room.local_participant
    await here.set_attributes({ATTRIBUTE_AGENT_STATE: "listening", agents.ATTR_AGENT_STATE: ""})


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
