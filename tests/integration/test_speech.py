"""The demo's speech services by their HTTP interface: what OpenAI's clients send and expect."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import yaml

from integration import harness

SCRIPT = yaml.safe_load((harness.ROOT / "demo/speech/script.yaml").read_text())


@pytest.fixture
async def client(speech: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"{speech}/") as session:
        yield session


async def spoken(client: aiohttp.ClientSession, text: str, language: str, speed: float) -> bytes:
    asked = {"input": text, "voice": language, "speed": speed, "response_format": "wav"}
    async with client.post("audio/speech", json=asked | {"model": "espeak-ng"}) as response:
        assert response.status == 200
        return await response.read()


async def heard(client: aiohttp.ClientSession, file: bytes, language: str) -> str:
    form = aiohttp.FormData({"model": "pocketsphinx", "language": language})
    form.add_field("file", file, filename="file.wav", content_type="audio/wav")
    async with client.post("audio/transcriptions", data=form) as response:
        assert response.status == 200
        text: str = (await response.json())["text"]
        return text


@pytest.mark.parametrize("language", list(SCRIPT))
async def test_every_phrase_of_the_script_is_heard_as_it_was_said(
    client: aiohttp.ClientSession, language: str
) -> None:
    texts = SCRIPT[language]
    for phrase in [*texts["start"], *texts["finish"], *texts["sentences"]]:
        for speed in (0.9, 1.0, 1.15):
            assert await heard(client, await spoken(client, phrase, language, speed), language) == (
                phrase
            )


async def test_other_speech_is_no_phrase(client: aiohttp.ClientSession) -> None:
    for text in ("good morning everybody", "my cat eats pizza", "open the window please"):
        assert await heard(client, await spoken(client, text, "en", 1.0), "en") == ""


async def test_a_stream_ends_with_its_usage_and_done(client: aiohttp.ClientSession) -> None:
    asked = {
        "model": "coach-en",
        "messages": [{"role": "user", "content": "nonsense"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    async with client.post("chat/completions", json=asked) as response:
        lines = [line for line in (await response.text()).split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert chunks.pop()["usage"]["completion_tokens"] > 0
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert said == SCRIPT["en"]["again"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("audio/speech", {"input": "x", "voice": "ash"}, "`voice` is one of en, fr"),
        ("audio/speech", {"input": "x", "voice": "en", "response_format": "opus"}, "wav, mp3, pcm"),
        ("audio/speech", {"voice": "en"}, "`input`"),
        ("chat/completions", {"model": "gpt-4o", "messages": []}, "coach-en, coach-fr"),
        ("chat/completions", {"model": "coach-en", "messages": "hello"}, "`messages`"),
        ("audio/transcriptions", {}, "`file`"),
    ],
)
async def test_a_request_that_cannot_be_served_is_told_what_to_change(
    client: aiohttp.ClientSession, path: str, body: dict[str, object], said: str
) -> None:
    async with client.post(path, json=body) as response:
        assert response.status == 400
        assert said in (await response.json())["error"]["message"]


async def test_what_is_no_wav_file_is_refused(client: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData({"model": "pocketsphinx"})
    form.add_field("file", b"<html>", filename="file.wav", content_type="audio/wav")
    async with client.post("audio/transcriptions", data=form) as response:
        assert response.status == 400
        assert "WAV" in (await response.json())["error"]["message"]
