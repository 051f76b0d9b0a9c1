"""The demo's scripted coach: what it answers to what was said."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TOOLS = ["start_exercise", "finish_exercise"]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "demo" / "speech")
    return importlib.import_module("script")


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def result(tool: str, content: str) -> list[dict[str, Any]]:
    call = {"id": tool, "type": "function", "function": {"name": tool, "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": tool, "content": content},
    ]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_whole_exercise_goes_from_the_greeting_to_the_feedback(
    script: ModuleType, language: str
) -> None:
    texts = script.SCRIPT[language]
    talk: list[dict[str, Any]] = [{"role": "system", "content": "You are a speaking coach."}]
    assert script.answer(language, talk, TOOLS).text == texts["greeting"]
    talk.append(user(texts["start"][0].capitalize() + "."))
    assert script.answer(language, talk, TOOLS) == script.Call("start_exercise")
    talk += result("start_exercise", "{}")
    for sentence in texts["sentences"]:
        assert sentence in script.answer(language, talk, TOOLS).text
        talk.append(user(sentence))
    assert script.answer(language, talk, TOOLS).text == texts["last"]
    talk.append(user(texts["finish"][0]))
    assert script.answer(language, talk, TOOLS) == script.Call("finish_exercise")
    talk += result("finish_exercise", json.dumps({"turns": 3, "words_per_minute": 200}))
    said = script.answer(language, talk, TOOLS).text
    assert "200" in said
    assert texts["advice"]["fast"] in said


def test_without_tools_it_starts_all_the_same(script: ModuleType) -> None:
    assert "sea shells" in script.answer("en", [user("let us begin")], []).text


@pytest.mark.parametrize("figures", ["", "[]", "{}", '{"turns": null, "words_per_minute": 1}'])
def test_figures_that_are_none_are_no_feedback(script: ModuleType, figures: str) -> None:
    talk = result("finish_exercise", figures)
    assert script.answer("en", talk, TOOLS).text == script.SCRIPT["en"]["again"]


def test_whatever_else_is_said_is_not_understood(script: ModuleType) -> None:
    assert script.answer("en", [user("what time is it")], TOOLS).text.startswith("I did not")


def test_every_french_phrase_has_its_sounds(script: ModuleType) -> None:
    assert set(script.phrases("fr")) == set(script.SCRIPT["fr"]["sounds"])
