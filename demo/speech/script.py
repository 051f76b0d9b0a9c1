"""The scripted coach: which text or call answers a conversation. Pure; texts in script.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SCRIPT: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "script.yaml").read_text(encoding="utf-8")
)
SLOW, FAST = 60, 180  # words a minute


@dataclass(frozen=True, slots=True)
class Say:
    """An answer in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """An answer that asks for one of the offered tools, without arguments."""

    tool: str


def phrases(language: str) -> list[str]:
    """Everything that a caller may say."""
    texts = SCRIPT[language]
    return [*texts["start"], *texts["finish"], *texts["sentences"]]


def answer(
    language: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[str]
) -> Say | Call:
    """The coach's next words, from OpenAI's `messages` and the names of the offered tools."""
    texts = SCRIPT[language]
    spoken = [m for m in messages if m.get("role") in ("user", "tool")]
    if not spoken:
        return Say(texts["greeting"])
    last = spoken[-1]
    if last["role"] == "tool":
        return _after(texts, _tool_of(messages, last), _text(last))
    said = plain(_text(last))
    if said in map(plain, texts["start"]):
        return Call("start_exercise") if "start_exercise" in tools else _repeat(texts)
    if said in map(plain, texts["finish"]) and "finish_exercise" in tools:
        return Call("finish_exercise")
    sentences = [plain(sentence) for sentence in texts["sentences"]]
    if said not in sentences:
        return Say(texts["again"])
    follows = sentences.index(said) + 1
    if follows == len(sentences):
        return Say(texts["last"])
    return Say(texts["next"].format(sentence=texts["sentences"][follows]))


def plain(text: str) -> str:
    """Words alone, for comparing: no case, no punctuation."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _after(texts: Mapping[str, Any], tool: str | None, result: str) -> Say:
    if tool != "finish_exercise":
        return _repeat(texts)
    try:
        figures = json.loads(result)
        pace, turns = int(figures["words_per_minute"]), int(figures["turns"])
    except (ValueError, TypeError, KeyError):
        return Say(texts["again"])
    advice = "slow" if pace < SLOW else "fast" if pace > FAST else "good"
    said = texts["feedback"].format(
        turns=turns, words_per_minute=pace, advice=texts["advice"][advice]
    )
    return Say(said)


def _repeat(texts: Mapping[str, Any]) -> Say:
    return Say(texts["repeat"].format(sentence=texts["sentences"][0]))


def _tool_of(messages: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> str | None:
    """Which tool gave a result: the call says its name, the result only the call's id."""
    for message in messages:
        for call in message.get("tool_calls") or []:
            if call["id"] == result.get("tool_call_id"):
                name: str = call["function"]["name"]
                return name
    return None


def _text(message: Mapping[str, Any]) -> str:
    """Content is a string, or parts of which some are text."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content if part.get("type") == "text")
