"""A model, a stream and a voice of one's own, as 0.9 to 0.12 asked for them."""

from livekit.agents import llm, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS


class Model(llm.LLM):
    def chat(self, *, chat_ctx, fnc_ctx=None, conn_options=DEFAULT_API_CONNECT_OPTIONS, n=1):
        return Reply(self, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)


class Reply(llm.LLMStream):
    def __init__(self, model, *, chat_ctx, fnc_ctx, conn_options):
        super().__init__(model, chat_ctx=chat_ctx, fnc_ctx=fnc_ctx, conn_options=conn_options)

    async def _run(self):
        print(self._chat_ctx.items, self._fnc_ctx)


class Voice(tts.TTS):
    def synthesize(self, text):
        return Spoken(tts=self, input_text=text, conn_options=DEFAULT_API_CONNECT_OPTIONS)


class Spoken(tts.ChunkedStream):
    async def _run(self):
        self._event_ch.send_nowait(tts.SynthesizedAudio(request_id="1", frame=None))


class Half(tts.SynthesizeStream):
    def push(self):
        return self._input_ch
