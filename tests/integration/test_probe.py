"""`releve probe` against a real server and real agents: right verdicts, and why."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integration.harness import FAULTY, Faulty, LiveKit, Process, write_keys
from ports import free_port
from releve.keys import Keys
from releve.probe.judgement import record

RELEVE = Path(sys.executable).parent / "releve"
# Is it heard at all? Long enough that a busy machine's worst second does not decide it.
A_FEW = ("--calls", "1", "--chirps", "12", "--gate", "valid_fraction_min")
StartAgent = Callable[..., Process]


def probe_echo(
    server: LiveKit, *more: str, url: str | None = None, keys_file: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [RELEVE, "probe", "echo", "--url", url or server.url, "--name", "echo"]
    command += ["--keys-file", str(keys_file or server.keys_file), "--colour", "green", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


@pytest.mark.parametrize("colour", ["blue", "green"])
def test_a_working_agent_is_measured(
    colour: str, livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    start_agent(colour)
    out = tmp_path / "probe.json"
    done = probe_echo(livekit_server, "--floor", "--out", str(out))
    probe = json.loads(out.read_text())
    assert probe["sent"] == 40
    assert probe["valid"] >= 10
    assert probe["floor_rtt_ms"] > 20
    assert probe["rtt_ms"]["p50"] > 20
    assert probe["longest_silence_ms"] >= 0
    for call in probe["calls"]:
        assert call["agents_seen"] == [call["identity"]]
        assert call["failure"] is None
    # Half of what 40 chirps 0.35 s apart take, 50 packets a second, each way.
    for way in ("heard", "said"):
        assert probe["webrtc"][way]["packets"] > 20 * 0.35 * 50
        assert 0 <= probe["webrtc"][way]["lost"] < probe["webrtc"][way]["packets"] / 2
    assert 0 <= probe["webrtc"]["heard"]["concealed_fraction"] <= 1
    # The figures are the machine's; that the verdict follows from them is ours.
    assert probe["passed"] is all(gate["held"] for gate in probe["gates"])
    assert done.returncode == {"pass": 0, "fail": 1, "inconclusive": 3}[probe["answer"]]
    print(colour, {key: probe[key] for key in ("valid", "rtt_ms", "floor_rtt_ms")})


def test_a_dark_worker_gets_the_probe_by_name_and_no_other_call(
    livekit_server: LiveKit, start_agent: StartAgent
) -> None:
    start_agent("green", script=FAULTY, FAULT="none", AGENT_NAME="releve-green")
    named = probe_echo(livekit_server, "--agent-name", "releve-green", *A_FEW)
    assert json.loads(named.stdout)["valid"] >= 1, named.stdout

    unnamed = probe_echo(livekit_server, "--calls", "1")
    assert unnamed.returncode == 1
    assert "no agent came within 10 s" in unnamed.stderr


NOTHING = r"valid fraction of chirps is 0, at least 0\.95 is needed"
LITTLE = r"valid fraction of chirps is 0\.\d+, at least 0\.95 is needed"


@pytest.mark.parametrize(
    ("fault", "seconds", "sentence", "figure"),
    [
        ("silent", "0", "is silent: nothing we said came back within 10 s", NOTHING),
        ("deaf", "0", "is silent: nothing we said came back within 10 s", NOTHING),
        ("mute", "0", "came without audio within 10 s", NOTHING),
        ("leaves", "5", "agent left", LITTLE),
        ("fades", "5", "", LITTLE),
        ("slow", "0.25", "", r"RTT p95 is ([3-9]\d\d|\d{4})(\.\d)? ms, below 200 ms is needed"),
    ],
)
def test_a_bad_agent_fails_the_gate_by_its_figure(
    fault: str, seconds: str, sentence: str, figure: str, faulty: Faulty
) -> None:
    server = faulty.be(fault, FAULT_SECONDS=seconds)
    for _ in range(3):  # a busy machine may hear too little of it to tell the figure
        done = probe_echo(server, "--calls", "1", "--chirps", "30")
        # A machine that is busy with other tests is too busy to tell an agent that is slow.
        assert done.returncode in ((1, 3) if fault == "slow" else (1,))
        assert json.loads(done.stdout)["passed"] is False
        if sentence in done.stderr and re.search(figure, done.stderr):
            break
    assert sentence in done.stderr
    assert re.search(figure, done.stderr), done.stderr


def test_an_agent_the_app_would_not_find_fails_the_probe(faulty: Faulty) -> None:
    done = probe_echo(faulty.be("none", IDENTITY="coach"), "--calls", "1")
    assert done.returncode == 1
    assert "the app would not find agent coach" in done.stderr
    assert re.search(NOTHING, done.stderr)


def test_two_agents_in_a_room_fail_the_probe_and_are_in_the_record(
    livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    start_agent("blue")
    start_agent("green")
    done = probe_echo(livekit_server, "--calls", "1")
    assert done.returncode == 1
    assert "2 agents in" in done.stderr
    with held(livekit_server, tmp_path, "--calls", "1", "--every", "60") as (_, seen):
        doubled = seen("two_agents")
        assert len(doubled["identities"]) == 2


def test_chirps_too_few_for_the_gates_are_exit_2_before_any_call(tmp_path: Path) -> None:
    keys_file = write_keys(tmp_path / "keys.yaml", Keys("key", "s" * 32))
    nowhere = LiveKit("ws://127.0.0.1:9", Keys("key", "s" * 32), keys_file, None, "")  # type: ignore[arg-type]
    done = probe_echo(nowhere, "--calls", "1", "--chirps", "19")
    assert done.returncode == 2
    assert "RTT p95 needs at least 20" in done.stderr


@pytest.mark.parametrize("wrong", ["secret", "key", "port", "file"])
def test_what_the_operator_must_change_is_exit_2_and_a_sentence(
    wrong: str, livekit_server: LiveKit, tmp_path: Path
) -> None:
    good, url, keys_file = livekit_server.keys, livekit_server.url, tmp_path / "keys.yaml"
    if wrong != "file":
        keys = Keys(
            "another" if wrong == "key" else good.api_key,
            good.secret[::-1] if wrong == "secret" else good.secret,
        )
        write_keys(keys_file, keys)
    if wrong == "port":
        url = f"ws://127.0.0.1:{free_port()}"
    hold = [RELEVE, "probe", "hold", "--url", url, "--keys-file", keys_file]
    hold += ["--record", tmp_path / "r.jsonl"]
    held_too = subprocess.run(hold, capture_output=True, text=True, timeout=180, check=False)
    for done in (probe_echo(livekit_server, url=url, keys_file=keys_file), held_too):
        assert done.returncode == 2
        said = {"secret": "refuses the token", "key": "refuses the token"}
        said |= {"port": "not reachable", "file": "keys file"}
        assert said[wrong] in done.stderr
        assert "eyJ" not in done.stdout + done.stderr  # no token, refused or not
        assert good.secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


Seen = Callable[..., record.Event]


@contextmanager
def held(server: LiveKit, directory: Path, *more: str) -> Iterator[tuple[subprocess.Popen, Seen]]:
    """`releve probe hold` at work: (its process, a wait for an event of the record)."""
    path = directory / "sentinels.jsonl"
    command = [RELEVE, "probe", "hold", "--url", server.url, "--keys-file", server.keys_file]
    sentinels = subprocess.Popen([*command, "--record", path, *more])

    def seen(
        name: str,
        seconds: float = 120,
        until: Callable[[record.Event], bool] = lambda _: True,
        **fields: Any,
    ) -> record.Event:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for event in record.read(path) if path.exists() else []:
                if event["event"] == name and fields.items() <= event.items() and until(event):
                    return event
            time.sleep(0.05)
        pytest.fail(f"no {name} {fields} in {seconds} s:\n{path.read_text()}")

    try:
        yield sentinels, seen
    finally:
        sentinels.kill()
        sentinels.wait()


async def test_sentinels_tell_a_silence_a_killed_agent_and_the_callers_gap(
    livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    agent = start_agent("green", script=FAULTY, FAULT="none")
    # Each room is a process of the agent's: a room a second would keep a busy machine from ever
    # answering the calls that are joined anew.
    with held(livekit_server, tmp_path, "--calls", "2", "--every", "8") as (sentinels, seen):
        ready = seen("ready")
        seen("rtt")
        first = [e for e in events(tmp_path) if e["event"] == "open" and e["kind"] == "held"]

        agent.send(signal.SIGSTOP)
        await asyncio.sleep(1.5)  # the fault itself
        agent.send(signal.SIGCONT)
        # A busy machine has shorter ones of its own.
        silence = seen("silence", until=lambda event: event["ms"] > 1000)
        assert silence["ms"] < 10_000
        assert not any(e["event"] == "dropped" for e in events(tmp_path))

        agent.send(signal.SIGKILL)
        for call in first:
            dropped = seen("dropped", call=call["call"])
            # The server misses a killed agent after 20 s; the caller does not wait as long.
            assert "nothing came back" in dropped["why"] or "agent left" in dropped["why"]
        start_agent("green", script=FAULTY, FAULT="none")
        anew = [
            e["call"]
            for e in events(tmp_path)
            if e["event"] == "open" and e["kind"] == "held" and e["t"] >= dropped["t"] - 1
        ]
        assert anew
        gap = wait_for_gap(seen, tmp_path, first)
        seen("agent", until=lambda e: e["t"] > gap["t"] and "arrival" in e["call"])

        sentinels.send_signal(signal.SIGTERM)
        assert sentinels.wait(60) == 0
    told = events(tmp_path)
    summary = record.summarise(told, ready["t"], told[-1]["t"])
    assert summary["sentinels"] == 2
    assert summary["dropped"] >= 2  # and arrivals that were open just then
    assert summary["longest_silence_ms"] >= gap["ms"]
    assert summary["opened_during_run"] >= 1
    ended = {e["call"] for e in told if e["event"] in ("closed", "dropped")}
    assert ended == {e["call"] for e in told if e["event"] == "open"}
    assert (tmp_path / "sentinels.jsonl").stat().st_mode & 0o777 == 0o644


def events(directory: Path) -> list[record.Event]:
    return record.read(directory / "sentinels.jsonl")


def wait_for_gap(seen: Seen, directory: Path, first: list[record.Event]) -> record.Event:
    """The silence told by a call joined anew: from the old call's last echo to its first."""
    old = {event["call"] for event in first}
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for event in events(directory):
            # A busy machine has shorter ones of its own.
            anew = event["event"] == "silence" and event["call"] not in old
            if anew and event["ms"] > 1000:
                return event
        time.sleep(0.05)
    pytest.fail(f"no call joined anew heard its echo: {events(directory)}")


def test_a_silent_agent_is_a_dropped_call(faulty: Faulty, tmp_path: Path) -> None:
    with held(faulty.be("silent"), tmp_path, "--calls", "1", "--every", "60") as (_, seen):
        assert seen("dropped")["why"] == "nothing came back for 10 s"
        assert not any(event["event"] == "ready" for event in events(tmp_path))


def test_sentinels_end_cleanly_without_any_agent(livekit_server: LiveKit, tmp_path: Path) -> None:
    with held(livekit_server, tmp_path, "--calls", "1", "--every", "1") as (sentinels, seen):
        seen("no_agent")
        sentinels.send_signal(signal.SIGTERM)
        assert sentinels.wait(60) == 0
    told = events(tmp_path)
    assert not any(event["event"] == "ready" for event in told)
    summary = record.summarise(told, told[0]["t"], told[-1]["t"])
    assert summary["dropped"] == 0
    assert summary["without_agent"] >= 1
