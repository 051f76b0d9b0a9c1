"""The network suite's verdict: calls that go on pass, and what did not is told by its figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from releve.keys import Keys
from releve.probe.caller.join import Server
from releve.probe.judgement import gates
from releve.probe.suites import network
from releve.probe.suites.network import NETWORK_CUT, NO_UDP, SIGNALLING_CUT, TURN, LinkResult


def tried(how: str, **more: Any) -> LinkResult:
    good = LinkResult(how, "room", 1.0, "prflx udp", True, 0.3, 0.0, 20.0)
    return replace(good, **more)


def judge(*calls: LinkResult) -> dict[str, Any]:
    by = {how: tried(how) for how in (SIGNALLING_CUT, NETWORK_CUT, NO_UDP)}
    by |= {call.how: call for call in calls}
    return network.probe_object("n", "green", list(by.values()), gates.of("network"))


def test_calls_that_go_on_pass_and_turn_that_is_not_offered_is_told_and_not_judged() -> None:
    probe = judge()
    assert probe["passed"] is True, probe["reason"]
    assert (probe["sent"], probe["valid"]) == (3, 3)
    assert probe["network"] == {
        TURN: "not offered",
        SIGNALLING_CUT: "prflx udp, silent for 20 ms",
        NETWORK_CUT: "prflx udp, heard again 0.0 s after it",
        NO_UDP: "prflx udp, heard after 1.0 s",
    }
    assert "turn_s_max" not in probe["gate"]


def test_turn_that_is_offered_is_judged() -> None:
    probe = judge(tried(TURN, path="relay udp"))
    assert probe["passed"] is True
    assert probe["network"][TURN] == "relay udp, heard after 1.0 s"
    assert probe["gate"]["turn_s_max"] == 8
    silent = judge(tried(TURN, agent_audio_s=None, same=None, failure="TURN: no agent came"))
    assert silent["network"][TURN] == "failed"
    assert "TURN: no agent came" in silent["reason"]
    assert "agent heard by TURN: not enough data" in silent["reason"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (tried(NETWORK_CUT, same=False), "fraction of calls kept is 0.666667, at least 1"),
        (tried(NETWORK_CUT, failure="lost"), "lost; fraction of calls kept is 0.666667"),
        (tried(NETWORK_CUT, back_s=12.5), "agent heard after a network cut is 12.5 s, below 10 s"),
        (
            tried(NETWORK_CUT, back_s=None, failure="it was not"),
            "agent heard after a network cut: not enough data",
        ),
        (tried(SIGNALLING_CUT, silence_ms=1200.0), "silence by a signalling cut is 1200 ms, below"),
        (tried(NO_UDP, agent_audio_s=9.0), "agent heard without UDP is 9 s, below 8 s"),
    ],
)
def test_what_a_caller_would_miss_fails_by_its_figure(call: LinkResult, said: str) -> None:
    probe = judge(call)
    assert probe["passed"] is False
    assert said in probe["reason"]


@pytest.mark.parametrize("crashed", [0, 1])
async def test_a_crash_of_the_sdk_is_told_and_decides_nothing(
    monkeypatch: pytest.MonkeyPatch, crashed: int
) -> None:
    calls = [tried(how) for how in (SIGNALLING_CUT, NETWORK_CUT, NO_UDP)]

    async def measured(*_: object) -> tuple[tuple[list[LinkResult], dict[str, Any]], int]:
        return (calls, {}), crashed

    monkeypatch.setattr(network.isolated_process, "run", measured)
    server = Server("ws://nowhere", Keys("key", "secret"))
    probe = await network.run(server, "n", "green", gates.of("network"), cut_seconds=1)
    assert probe["passed"] is True
    assert ("SDK" in probe["network"]) == bool(crashed)
