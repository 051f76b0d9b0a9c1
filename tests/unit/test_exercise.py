"""An exercise of the coach: its figures are the caller's speech, and nothing besides."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def exercise(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "agent_src" / "green")
    return importlib.import_module("exercise").Exercise()


def test_the_pace_is_of_what_was_said_before_the_caller_finished(exercise: Any) -> None:
    exercise.speech(9.0)
    exercise.turn("let us begin")  # before the start: no part of it
    exercise.start()
    for words, seconds in (("she sells sea shells", 2.0), ("by the sea shore", 2.0)):
        exercise.speech(seconds)
        exercise.turn(words)
    exercise.speech(1.0)
    exercise.turn("I am finished")
    assert exercise.finish() == {"turns": 2, "words": 8, "seconds": 4.0, "words_per_minute": 120}


def test_an_exercise_of_nothing_has_no_pace(exercise: Any) -> None:
    exercise.start()
    exercise.turn("stop")
    assert exercise.finish()["words_per_minute"] == 0


def test_a_second_exercise_begins_anew(exercise: Any) -> None:
    exercise.start()
    exercise.turn("one")
    exercise.start()
    assert exercise.finish()["turns"] == 0
