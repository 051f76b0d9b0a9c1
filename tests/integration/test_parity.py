"""What an app may rely on, whichever colour its agent is of; differences are in docs/parity.md.

One agent of each colour and one conversation with it, in which every promise is looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from integration import harness
from integration.conversations import CALLS, Evidence, converse
from releve.probe.caller.join import Server


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One that takes its time: a greeting is not over before a busy machine has interrupted it."""
    directory = tmp_path_factory.mktemp("speech")
    with harness.running_speech(directory, "--words-per-minute", "80") as url:
        yield url


@pytest.fixture(scope="module", params=["blue", "green"])
def seen(
    request: pytest.FixtureRequest,
    livekit_server: harness.LiveKit,
    speech: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Evidence]:
    log = tmp_path_factory.mktemp("parity") / f"{request.param}.out"
    url, keys = livekit_server.url, livekit_server.keys
    # Where the machine is slow, a service that answers late is no failure.
    settings = {"AGENT_MODE": "coach", "COACH_URL": speech, "COACH_SERVICE_SECONDS": "60"}
    agent = harness.start_agent(request.param, url, keys, log, **settings)
    try:
        evidence = asyncio.run(converse(Server(url, keys), speech))
        print(evidence, agent.log.read_text()[-3000:], sep="\n")  # where a test fails
        yield evidence
    finally:
        agent.stop()


def test_several_calls_at_once_have_one_agent_each_and_are_greeted(seen: Evidence) -> None:
    assert seen.agents == [1] * CALLS
    assert seen.greeted == [True] * CALLS


def test_the_app_finds_its_agent_by_an_identity_that_contains_agent(seen: Evidence) -> None:
    (identity,) = seen.identities
    assert "agent" in identity


def test_the_agent_publishes_one_track_and_it_is_audio(seen: Evidence) -> None:
    assert seen.audio_tracks == 1


def test_the_greeting_is_heard_and_written(seen: Evidence) -> None:
    assert seen.greeting_voice > 1
    assert seen.greeting_words.startswith("Hello")


def test_a_spoken_sentence_is_written_as_the_callers_and_answered_aloud_and_in_writing(
    seen: Evidence,
) -> None:
    assert seen.our_words == "let us begin"
    assert "repeat after me" in seen.reply_words
    assert seen.reply_voice


def test_a_caller_who_speaks_silences_the_agent(seen: Evidence) -> None:
    assert seen.greeting_voice < 0.85 * seen.whole_greeting


def test_a_typed_message_is_answered(seen: Evidence) -> None:
    assert "well said" in seen.typed_reply


def test_the_agent_leaves_when_its_caller_does(seen: Evidence) -> None:
    assert seen.left
