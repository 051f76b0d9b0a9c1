"""OpenAI-compatible speech services of the demo: transcriptions, speech, chat completions."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import script
from aiohttp import web
from ear import AudioError, Ear
from voice import RATE, WORDS_PER_MINUTE, Voice, mp3, wav

FORMATS: dict[str, Callable[[bytes], bytes]] = {"wav": wav, "mp3": mp3, "pcm": lambda pcm: pcm}
MIME = {"wav": "audio/wav", "mp3": "audio/mpeg", "pcm": f"audio/pcm;rate={RATE}"}
MOST_BYTES = 16 * 2**20
MOST_CHARACTERS = 4096
VOICE, EARS = web.AppKey("voice", Voice), web.AppKey("ears", dict[str, Ear])


class Refused(Exception):
    """The request cannot be served; the message says what to change."""


@web.middleware
async def say_why(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Errors in OpenAI's form."""
    try:
        return await handler(request)
    except (Refused, AudioError) as error:
        status, said = 400, str(error)
    except web.HTTPException as error:
        status, said = error.status, error.reason
    body = {
        "error": {"message": said, "type": "invalid_request_error", "param": None, "code": None}
    }
    return web.json_response(body, status=status)


async def transcriptions(request: web.Request) -> web.Response:
    form = await request.post()
    file, language = form.get("file"), str(form.get("language") or "en")
    if not isinstance(file, web.FileField):
        raise Refused("send the audio as the form's field `file`")
    ears = request.app[EARS]
    if language not in ears:
        raise Refused(f"`language` {language!r} is not one of {', '.join(ears)}")
    text = await asyncio.to_thread(ears[language].hear, file.file.read())
    if form.get("response_format") == "text":
        return web.Response(text=text)
    return web.json_response({"text": text})


async def speech(request: web.Request) -> web.Response:
    asked = await _json(request)
    text, form = asked.get("input"), asked.get("response_format", "mp3")
    speed = asked.get("speed", 1.0)
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise Refused(f"`input` is a text of {MOST_CHARACTERS} characters at most")
    if form not in FORMATS:
        raise Refused(f"`response_format` is one of {', '.join(FORMATS)}")
    if not isinstance(speed, int | float) or not 0.25 <= speed <= 4:
        raise Refused("`speed` is a number from 0.25 to 4")
    voice = script.SCRIPT[_language("voice", asked.get("voice"))]["voice"]
    pcm = await asyncio.to_thread(request.app[VOICE].say, text, voice, speed)
    body = await asyncio.to_thread(FORMATS[form], pcm)
    return web.Response(body=body, headers={"Content-Type": MIME[form]})


async def completions(request: web.Request) -> web.StreamResponse:
    asked = await _json(request)
    messages = asked.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise Refused("`messages` is a list of objects")
    language = _language("model", str(asked.get("model", "")).removeprefix("coach-"))
    offered = [tool["function"]["name"] for tool in asked.get("tools") or []]
    answer = script.answer(language, messages, offered)
    made = {
        "id": f"chatcmpl-{secrets.token_hex(8)}",
        "created": int(time.time()),
        "model": f"coach-{language}",
    }
    if not asked.get("stream"):
        choice = {"index": 0, "message": _delta(answer), "finish_reason": _reason(answer)}
        said = made | {"object": "chat.completion", "choices": [choice], "usage": _usage(answer)}
        return web.json_response(said)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    usage = bool((asked.get("stream_options") or {}).get("include_usage"))
    async for chunk in _chunks(answer, usage):
        whole = made | {"object": "chat.completion.chunk"} | chunk
        await response.write(f"data: {json.dumps(whole)}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


async def models(_request: web.Request) -> web.Response:
    names = [f"coach-{language}" for language in script.SCRIPT] + ["espeak-ng", "pocketsphinx"]
    data = [{"id": name, "object": "model", "owned_by": "demo"} for name in names]
    return web.json_response({"object": "list", "data": data})


async def _chunks(answer: script.Say | script.Call, usage: bool) -> AsyncIterator[dict[str, Any]]:
    """Word by word, as a model speaks; a tool call in one piece."""
    deltas: list[dict[str, Any]] = [_delta(answer)]
    if isinstance(answer, script.Say):
        words = answer.text.split(" ")
        deltas = [{"content": word if i == 0 else f" {word}"} for i, word in enumerate(words)]
        deltas[0]["role"] = "assistant"
    for delta in deltas:
        yield {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": _reason(answer)}]}
    if usage:
        yield {"choices": [], "usage": _usage(answer)}


def _delta(answer: script.Say | script.Call) -> dict[str, Any]:
    if isinstance(answer, script.Say):
        return {"role": "assistant", "content": answer.text}
    function = {"name": answer.tool, "arguments": "{}"}
    call = {"index": 0, "id": f"call_{secrets.token_hex(8)}", "type": "function"}
    return {"role": "assistant", "content": None, "tool_calls": [call | {"function": function}]}


def _reason(answer: script.Say | script.Call) -> str:
    return "stop" if isinstance(answer, script.Say) else "tool_calls"


def _usage(answer: script.Say | script.Call) -> dict[str, int]:
    """A script has no tokens; words are counted in their place."""
    words = len(answer.text.split()) if isinstance(answer, script.Say) else 1
    return {"prompt_tokens": 0, "completion_tokens": words, "total_tokens": words}


def _language(field: str, value: object) -> str:
    if value not in script.SCRIPT:
        names = ", ".join(f"coach-{k}" if field == "model" else k for k in script.SCRIPT)
        raise Refused(f"`{field}` is one of {names}")
    return str(value)


async def _json(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise Refused(f"the body is not JSON ({error})") from error
    if not isinstance(body, dict):
        raise Refused("the body is a JSON object")
    return body


def application(words_per_minute: int) -> web.Application:
    """The service, ready to be run; loads the models (about a second)."""
    app = web.Application(middlewares=[say_why], client_max_size=MOST_BYTES)
    app[VOICE] = Voice(words_per_minute)
    app[EARS] = {language: Ear(language) for language in script.SCRIPT}
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/audio/transcriptions", transcriptions)
    app.router.add_post("/v1/audio/speech", speech)
    app.router.add_post("/v1/chat/completions", completions)
    return app


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--words-per-minute", type=int, default=WORDS_PER_MINUTE)
    options = parser.parse_args()
    web.run_app(application(options.words_per_minute), host=options.host, port=options.port)
