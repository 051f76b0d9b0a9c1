"""`releve probe conversation` against an agent that does not converse: it fails by its figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.harness import Faulty
from releve.probe.caller.join import Server
from releve.probe.judgement import gates
from releve.probe.suites import conversation


async def test_an_echo_is_no_conversation(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "GREETING_SECONDS", 0.5)
    monkeypatch.setattr(conversation, "REPLY_SECONDS", 2.0)
    monkeypatch.setattr(conversation, "WRITTEN_SECONDS", 0.5)
    server = faulty.be("none")
    probe = await conversation.run(
        Server(server.url, server.keys),
        "conversation",
        "green",
        gates.of("conversation"),
        conversation.load(Path(conversation.__file__).with_name("let-us-begin.wav")),
        calls=1,
        expect=[],
    )
    assert not probe["passed"]
    assert "fraction of replies transcribed is 0, at least 1 is needed" in probe["reason"]
