"""Names of livekit 0.11.1, livekit-agents 0.7.2 and livekit-api 0.5.1 that v1 does not have.

tests/integration compares this list with both SDKs, so that it is neither short nor wrong.
"""

from __future__ import annotations

_TOOLS = "write the functions with @function_tool and hand them to Agent(tools=[…])"
_CHAT = "send with room.local_participant.send_text(text, topic='lk.chat') and receive with "
_CHAT += "room.register_text_stream_handler('lk.chat', handler); the wire format is another"
_JOBS = "internals of the old worker; v1's are in livekit.agents.ipc and not for programs"
_FORWARD = (
    "AgentSession publishes transcriptions by itself; RoomOutputOptions(transcription_enabled=…)"
)
_PIPELINE = "AgentSession and Agent, of livekit.agents, as VoiceAssistant"
_REALTIME = "AgentSession(llm=openai.realtime.RealtimeModel(…)) and Agent(instructions=…)"
_STREAM = "push_text(text), flush() between segments and end_input() at the end"

_VAD = "TurnDetection(type='server_vad', threshold=…, prefix_padding_ms=…, silence_duration_ms=…), "
_VAD += "of openai.types.beta.realtime.session"

_CALL = "give the tool a parameter `context: RunContext`; context.session is the session, and "
_CALL += "context.userdata keeps what store_metadata kept"

# Full name in v0 -> what to write instead; a module stands for whatever it held. Some are names that
# came after 0.7.2 and went before v1.
GONE = {
    "livekit.rtc.ChatManager": _CHAT,
    "livekit.rtc.ChatMessage": _CHAT,
    "livekit.rtc.chat": _CHAT,
    "livekit.rtc.ArgbFrame": "VideoFrame(width, height, VideoBufferType.ARGB, data)",
    "livekit.rtc.VideoFormatType": "VideoBufferType",
    "livekit.agents.AutoDisconnect": "0.7.2 took it and did nothing with it; leave it out, and call "
    "ctx.shutdown() when the call is over",
    "livekit.agents.AsyncPipe": _JOBS,
    "livekit.agents.IPC_MESSAGES": _JOBS,
    "livekit.agents.Log": _JOBS,
    "livekit.agents.StartJobRequest": _JOBS,
    "livekit.agents.StartJobResponse": _JOBS,
    "livekit.agents.apipe": _JOBS,
    "livekit.agents.consts": _JOBS,
    "livekit.agents.ipc_enc": _JOBS,
    "livekit.agents.exceptions": "JobRequest answers once and raises nothing of its own; "
    "AssignmentTimeoutError is livekit.agents.AssignmentTimeoutError",
    "livekit.agents.job_context": "from livekit.agents import JobContext",
    "livekit.agents.job_request": "from livekit.agents import JobRequest, AutoSubscribe",
    "livekit.agents.job_request.AutoDisconnect": "0.7.2 took it and did nothing with it; leave it out",
    "livekit.agents.job_request.AcceptData": _JOBS,
    "livekit.agents.job_request.AvailRes": _JOBS,
    "livekit.agents.job_request.AgentEntry": "Callable[[JobContext], Awaitable[None]]",
    "livekit.agents.transcription": _FORWARD,
    "livekit.agents.transcription.STTSegmentsForwarder": _FORWARD,
    "livekit.agents.transcription.TTSSegmentsForwarder": _FORWARD,
    "livekit.agents.voice_assistant": "AgentSession and Agent, of livekit.agents",
    "livekit.agents.voice_assistant.VoiceAssistant": "AgentSession(vad=…, stt=…, llm=…, tts=…) and "
    "await session.start(Agent(instructions=…), room=ctx.room)",
    "livekit.agents.voice_assistant.AssistantContext": _CALL,
    "livekit.agents.voice_assistant.AssistantCallContext": _CALL,
    "livekit.agents.pipeline": _PIPELINE,
    "livekit.agents.pipeline.AgentCallContext": _CALL,
    "livekit.agents.multimodal": _REALTIME,
    "livekit.agents.llm.USE_DOCSTRING": "nothing: a tool without a description has its docstring's",
    "livekit.agents.llm.FunctionCallInfo": "FunctionCall, in the event function_tools_executed",
    "livekit.agents.llm.FunctionInfo": _TOOLS,
    "livekit.agents.llm.FunctionArgInfo": _TOOLS,
    "livekit.agents.llm.ChatAudio": "AudioContent(frame=[…]), in the content of a ChatMessage",
    "livekit.plugins.rag": "the package of the index itself (annoy), in Agent.on_user_turn_completed",
    "livekit.plugins.browser": "a browser of your own, and rtc.VideoSource",
    "livekit.plugins.openai.beta": "openai.LLM, with tools and a chat context",
    "livekit.plugins.llama_index": "llama-index itself, in Agent.llm_node",
    "livekit.agents.aio": "livekit.agents.utils.aio",
    "livekit.agents.aio.channel": "livekit.agents.utils.aio.Chan: one object to send and to receive",
    "livekit.agents.aio.select": "asyncio.wait(…, return_when=asyncio.FIRST_COMPLETED)",
    "livekit.agents.aio.SelectLoop": "asyncio.wait(…, return_when=asyncio.FIRST_COMPLETED)",
    "livekit.agents.llm.AIFncArg": _TOOLS,
    "livekit.agents.llm.AIFncMetadata": _TOOLS,
    "livekit.agents.llm.AIFunction": _TOOLS,
    "livekit.agents.llm.CalledFunction": "FunctionCall, in the event function_tools_executed",
    "livekit.agents.llm.ChatImage": "ImageContent(image=…), in the content of a ChatMessage",
    "livekit.agents.llm.Choice": "a ChatChunk has one delta: chunk.delta, which may be None",
    "livekit.agents.llm.FunctionContext": _TOOLS,
    "livekit.agents.llm.TypeInfo": "Annotated[str, Field(description='…')], with pydantic's Field",
    "livekit.agents.llm.ai_callable": _TOOLS,
    "livekit.agents.llm.function_context": _TOOLS,
    "livekit.agents.utils.event_emitter": "from livekit.rtc import EventEmitter",
    "livekit.agents.utils.http_session": "livekit.agents.utils.http_context.http_session",
    "livekit.agents.utils.codecs.Mp3StreamDecoder": "livekit.agents.utils.codecs.AudioStreamDecoder",
    "livekit.agents.tokenize.BufferedTokenStream": _STREAM,
    "livekit.agents.tokenize.TokenEvent": "tokenize.TokenData: the stream gives tokens, not events",
    "livekit.agents.tokenize.TokenEventType": "tokenize.TokenData: the stream gives tokens, not events",
    "livekit.agents.tokenize.TokenStream": _STREAM,
    "livekit.agents.ATTR_AGENT_STATE": "livekit.agents.types.ATTRIBUTE_AGENT_STATE",
    "livekit.agents.AgentState": "livekit.agents.voice.events.AgentState, whose states are initializing, listening, thinking and speaking",
    "livekit.plugins.openai.realtime.ServerVadOptions": _VAD,
    "livekit.plugins.openai.realtime.DEFAULT_SERVER_VAD_OPTIONS": "leave it out: the model has its own default",
    "livekit.plugins.openai.realtime.InputTranscriptionOptions": "InputAudioTranscription(model=…), of openai.types.beta.realtime.session",
    "livekit.plugins.openai.realtime.DEFAULT_INPUT_AUDIO_TRANSCRIPTION": "leave it out: the model has its own default",
    "livekit.plugins.openai.realtime.api_proto": "the types of the openai package: openai.types.beta.realtime",
    "livekit.plugins.openai.realtime.RealtimeResponse": "@session.on('speech_created'): ev.speech_handle",
    "livekit.plugins.openai.realtime.RealtimeContent": "the events of the AgentSession: conversation_item_added",
    "livekit.plugins.openai.realtime.RealtimeOutput": "the events of the AgentSession: conversation_item_added",
    "livekit.plugins.openai.realtime.RealtimeToolCall": "@session.on('function_tools_executed')",
    "livekit.plugins.openai.realtime.RealtimeError": "@session.on('error')",
    "livekit.plugins.openai.realtime.InputSpeechStarted": "@session.on('user_state_changed')",
    "livekit.plugins.openai.realtime.InputSpeechCommitted": "@session.on('user_state_changed')",
    "livekit.plugins.openai.realtime.InputTranscriptionCompleted": "@session.on('user_input_transcribed')",
    "livekit.plugins.openai.realtime.InputTranscriptionFailed": "@session.on('error')",
    "livekit.plugins.turn_detector.EOUModel": "livekit.plugins.turn_detector.english.EnglishModel() or multilingual.MultilingualModel()",
    "livekit.agents.run_app": "cli.run_app(WorkerOptions(entrypoint_fnc=…))",
    "livekit.agents.llm.LLMCapabilities": "nothing: a realtime model tells llm.RealtimeCapabilities, other models none",
    "livekit.agents.llm._oai_api": "livekit.agents.llm.utils, which is not for programs; tools are made by @function_tool",
    "livekit.agents.llm._create_ai_function_info": "write the functions with @function_tool",
    "livekit.agents.metrics.MultimodalLLMError": "@session.on('error'): ev.error",
    "livekit.agents.metrics.MultimodalLLMMetrics": "metrics.RealtimeModelMetrics",
    "livekit.agents.metrics.PeriodicCollector": "metrics.UsageCollector, and a task of your own that reads it now and then",
    "livekit.agents.tts.SynthesizedAudioEmitter": "the output_emitter that _run() is given: initialize(…), push(bytes), flush()",
    "livekit.agents.tts.SynthesisEvent": "a TTS stream gives SynthesizedAudio: .frame, .is_final",
    "livekit.agents.tts.SynthesisEventType": "a TTS stream gives SynthesizedAudio: .frame, .is_final",
}


def instead(full: str) -> str | None:
    """What to write for a name that is gone, by itself or with its module; None when it is not."""
    while full and full not in GONE and full not in MOVED:
        full = full.rpartition(".")[0]
    return GONE.get(full) if full not in MOVED else None


# Full name in v0 -> the same thing in v1.
MOVED = {
    "livekit.agents.job_request.JobRequest": "livekit.agents.JobRequest",
    "livekit.agents.job_request.AutoSubscribe": "livekit.agents.AutoSubscribe",
    "livekit.agents.job_context.JobContext": "livekit.agents.JobContext",
    "livekit.agents.aio": "livekit.agents.utils.aio",
    "livekit.agents.utils.http_session": "livekit.agents.utils.http_context.http_session",
    "livekit.agents.utils.event_emitter.EventEmitter": "livekit.agents.utils.EventEmitter",
    "livekit.agents.ATTRIBUTE_AGENT_STATE": "livekit.agents.types.ATTRIBUTE_AGENT_STATE",
}

# Full name before 1.0 -> its last part in v1, in the same module.
RENAMED = {
    f"livekit.agents.metrics.Pipeline{part}Metrics": f"{part}Metrics"
    for part in ("EOU", "LLM", "STT", "TTS", "VAD")
}
