"""Names that came after 0.7.2 and went, moved or changed before 1.0."""

from livekit import agents
from livekit.agents import ATTRIBUTE_AGENT_STATE, JobContext, WorkerOptions, cli, metrics
from livekit.agents.metrics import PipelineEOUMetrics, PipelineLLMMetrics
from livekit.agents.tts import SynthesizedAudioEmitter


def note(measured: metrics.AgentMetrics):
    if isinstance(measured, PipelineEOUMetrics):
        print(measured.end_of_utterance_delay)
    if isinstance(measured, (PipelineLLMMetrics, metrics.PipelineTTSMetrics)):
        print(measured.duration, SynthesizedAudioEmitter)
    if isinstance(measured, metrics.MultimodalLLMMetrics):
        print(agents.AgentState)


async def entrypoint(ctx: JobContext):
    await ctx.connect()
    here = ctx.room.local_participant
    await here.set_attributes({ATTRIBUTE_AGENT_STATE: "listening", agents.ATTR_AGENT_STATE: ""})


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
