"""Green as a speaking coach, with the demo's speech services and a real server: its promises."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from livekit import api

from integration import harness
from integration.faulty_services import Fault, FaultyServices
from integration.test_probe import RELEVE
from ports import free_port
from releve.probe.caller.call import Call
from releve.probe.caller.join import Server
from releve.probe.caller.transcripts import Transcripts, plain
from releve.probe.media import signal
from releve.probe.suites import conversation

SENTENCE = Path(conversation.__file__).with_name("let-us-begin.wav")
SORRY = "i am sorry i have a problem"
REPLY = "repeat after me"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def coach(
    livekit_server: harness.LiveKit, port: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[harness.Process]:
    log = tmp_path_factory.mktemp("coach") / "coach.out"
    settings = {"AGENT_MODE": "coach", "COACH_URL": f"http://127.0.0.1:{port}/v1"}
    url, keys = livekit_server.url, livekit_server.keys
    agent = harness.start_agent("green", url, keys, log, **settings)
    yield agent
    agent.stop()


@pytest.fixture
async def services(speech: str, port: int) -> AsyncIterator[FaultyServices]:
    proxy = FaultyServices(speech)
    await proxy.start(port)
    yield proxy
    await proxy.stop()


@pytest.fixture
def server(livekit_server: harness.LiveKit) -> Server:
    return Server(livekit_server.url, livekit_server.keys)


async def test_it_greets_listens_and_replies_aloud_and_in_writing(
    coach: harness.Process, services: FaultyServices, livekit_server: harness.LiveKit
) -> None:
    command = [RELEVE, "probe", "conversation", "--url", livekit_server.url, "--calls", "1"]
    command += ["--keys-file", str(livekit_server.keys_file), "--name", "conversation"]
    command += ["--colour", "green", "--limit", "reply_s_max=15"]
    command += ["--expect", "Repeat after me", "--expect", "sea shells"]
    pipe = asyncio.subprocess.PIPE
    done = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, err = await asyncio.wait_for(done.communicate(), 60)
    assert done.returncode == 0, err.decode()
    probe = json.loads(out)
    print(probe["seconds"])
    (talk,) = probe["calls"]
    assert talk["greeting_s"] is not None
    assert plain(talk["our_words"]) == "let us begin"
    for way in ("reply_by_stream", "reply_by_event"):
        assert REPLY in plain(talk[way]), way
    log = coach.log.read_text()
    assert "answered, by stage (s)" in log
    assert "tool start_exercise: started" in log


async def test_it_says_sorry_while_a_service_fails_and_then_goes_on(
    coach: harness.Process, services: FaultyServices, server: Server
) -> None:
    call = Call(server, server.new_room("coach"), bed=False)
    transcripts = Transcripts(call.room)
    sentence = conversation.load(SENTENCE)

    async def answered(words: str) -> float:
        return await say_until(coach, call, transcripts, sentence, words)

    try:
        await call.open()
        assert await call.wait(lambda: bool(call.sinks), 90)
        assert await conversation.first_voice(call, call.opened, 20) is not None, "no greeting"
        await answered(REPLY)
        faults: list[tuple[str, Fault]] = [
            ("transcriptions", "down"),
            ("completions", "slow"),
            ("completions", "rubbish"),
            ("audio/speech", "rubbish"),
        ]
        for path, fault in faults:
            services.faults = {path: fault}
            ended = await answered(SORRY)
            assert await conversation.first_voice(call, ended, 20) is not None, (path, fault)
        services.faults = {}
        await answered(REPLY)
    finally:
        await transcripts.aclose()
        await call.close()
    log = coach.log.read_text()
    for service in ("speech to text", "language model", "text to speech"):
        assert f"no answer from {service}" in log


async def test_it_speaks_french_where_the_jobs_metadata_says_so_and_logs_what_it_used(
    coach: harness.Process,
    services: FaultyServices,
    server: Server,
    speech: str,
    tmp_path: Path,
) -> None:
    room, wav = server.new_room("coach"), tmp_path / "on-commence.wav"
    async with aiohttp.ClientSession() as client:
        asked = {"input": "on commence", "voice": "fr", "response_format": "wav"}
        async with client.post(f"{speech}/audio/speech", json=asked) as said:
            wav.write_bytes(await said.read())
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.keys.api_key, server.keys.secret) as lkapi:
        french = [api.RoomAgentDispatch(metadata='{"language": "fr"}')]
        await lkapi.room.create_room(api.CreateRoomRequest(name=room, agents=french))
    call = Call(server, room, bed=False)
    transcripts = Transcripts(call.room)
    try:
        await call.open()
        assert await call.wait(lambda: bool(call.sinks), 90)
        assert await conversation.first_voice(call, call.opened, 20) is not None, "no greeting"
        await say_until(coach, call, transcripts, conversation.load(wav), "répétez après moi")
        agent = call.seen[0].identity
        assert plain(transcripts.since(call.opened, "event", agent)).startswith("bonjour")
        told = call.room.remote_participants[agent].attributes
        assert (told["mode"], told["language"]) == ("coach", "fr")
    finally:
        used = coach.log.read_text().count("usage: ")
        await transcripts.aclose()
        await call.close()
    deadline = time.monotonic() + 120
    while coach.log.read_text().count("usage: ") == used:
        assert time.monotonic() < deadline, "what the call used is not in the log"
        await asyncio.sleep(0.1)


async def say_until(
    coach: harness.Process,
    call: Call,
    transcripts: Transcripts,
    sentence: signal.Samples,
    words: str,
) -> float:
    """Say it until the agent answers with these words: when we had said it.

    Up to three times, as to anybody who did not hear it.
    """
    for _ in range(3):
        ended = await call.speak(sentence)
        agent, deadline = call.seen[0].identity, time.monotonic() + 120
        while time.monotonic() < deadline:
            if words in plain(transcripts.since(ended, "event", agent)):
                return ended
            await call.wait(lambda: bool(call.lost), 0.1)
            assert call.lost is None
    pytest.fail(coach.log.read_text()[-4000:])


@pytest.mark.parametrize(
    ("colour", "parts"),
    [("blue", "blue_parts"), ("green", "coach_parts"), ("green", "faulty_parts")],
)
def test_the_parts_of_a_coach_are_what_they_say(colour: str, parts: str) -> None:
    script = Path(__file__).with_name(f"{parts}.py")
    done = subprocess.run(
        [harness.python_of(colour), script], capture_output=True, text=True, check=False
    )
    assert done.stdout == "kept\n", done.stderr


@pytest.mark.parametrize("colour", ["blue", "green"])
@pytest.mark.parametrize("setting", [{"AGENT_MODE": "parrot"}, {"AGENT_MODE": "coach"}])
def test_a_setting_that_cannot_be_is_named_before_any_call(
    setting: dict[str, str], colour: str, tmp_path: Path
) -> None:
    bad = setting | {"COACH_STT_URL": "speech:8080", "PYTHONPATH": str(harness.SHARED)}
    log = tmp_path / "agent.out"
    env = {"PATH": "/usr/bin:/bin", "LIVEKIT_URL": "ws://127.0.0.1:1"} | bad
    script = harness.ROOT / "agent_src" / colour / "agent.py"
    agent = harness.Process([harness.python_of(colour), script, "start"], log, env)
    assert agent.wait(120) == 1
    said = "AGENT_MODE 'parrot'" if setting["AGENT_MODE"] == "parrot" else "COACH_STT_URL"
    assert said in log.read_text().splitlines()[-1]
