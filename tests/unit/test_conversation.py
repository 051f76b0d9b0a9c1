"""The conversation suite: what it hears, and how it judges. Pure parts only."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from releve.probe.caller.transcripts import plain
from releve.probe.judgement import gates
from releve.probe.media import signal
from releve.probe.suites import conversation
from releve.probe.suites.conversation import ConversationResult
from releve.report.schema import Probe

JUDGES = gates.of("conversation")
LOUD = np.full(480, 3000, np.int16)
QUIET = np.zeros(480, np.int16)


def talk(**fields: object) -> ConversationResult:
    well = {"reply_s": 1.2, "reply_by_stream": "Repeat after me", "missing": []}
    return ConversationResult("room", **(well | fields))  # type: ignore[arg-type]


def judged(*talks: ConversationResult, expect: bool = False) -> str | None:
    """The reason why the talks fail, from the object as the report reads it."""
    cost = {"cpu_s": 1.0, "cores_per_call": 0.1}
    probe = conversation.probe_object(
        "conversation", "green", list(talks), JUDGES, cost, expect=expect
    )
    return Probe.model_validate(probe).reason


def test_a_reply_in_time_with_its_transcript_passes() -> None:
    assert judged(talk(), talk(reply_by_stream=None, reply_by_event="x"), expect=True) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"reply_s": None, "failure": "no reply in room"}, "fraction of sentences answered is 0.5"),
        ({"reply_s": 3.5}, "slowest reply is 3.5 s, below 3 s is needed"),
        ({"reply_by_stream": None}, "fraction of replies transcribed is 0.5"),
        ({"missing": ["sea shells"]}, "fraction of replies with the expected words is 0.5"),
    ],
)
def test_each_gate_names_the_reply_that_fails_it(fields: dict[str, object], said: str) -> None:
    assert said in (judged(talk(), talk(**fields), expect=True) or "")


def test_nobody_who_replied_is_not_enough_data() -> None:
    assert "slowest reply: not enough data" in (judged(talk(reply_s=None)) or "")


def test_without_expected_words_none_are_judged() -> None:
    assert judged(talk(missing=None)) is None


def test_a_click_is_no_voice_and_a_voice_counts_from_its_first_frame() -> None:
    pattern = [QUIET, LOUD, LOUD, QUIET, LOUD, LOUD, LOUD, LOUD, QUIET]
    frames = [(float(at), samples) for at, samples in enumerate(pattern)]
    assert conversation.voices(frames) == [4.0, 5.0, 6.0, 7.0]


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert plain("Répétez après moi : C'est l'ÉTÉ !") == "répétez après moi c est l été"


def write(path: Path, samples: np.ndarray, rate: int, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_a_sentence_ends_with_its_last_sound_whatever_silence_follows(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(16_000) / 5)).astype(np.int16)
    silence = np.zeros(8_000, np.int16)
    path = write(tmp_path / "s.wav", np.concatenate([silence, tone, silence]), 16_000)
    assert len(conversation.load(path)) == pytest.approx(signal.RATE, rel=0.01)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"<html>", "no WAV file"), ("silence", "holds silence")],
)
def test_a_sentence_that_cannot_be_said_says_why(
    tmp_path: Path, content: bytes | str | None, said: str
) -> None:
    path = tmp_path / "s.wav"
    if content == "silence":
        write(path, np.zeros(100, np.int16), 16_000)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(conversation.SentenceError, match=said):
        conversation.load(path)


def test_the_sentence_of_ours_can_be_said() -> None:
    ours = Path(conversation.__file__).with_name("let-us-begin.wav")
    assert 0.5 < len(conversation.load(ours)) / signal.RATE < 2
