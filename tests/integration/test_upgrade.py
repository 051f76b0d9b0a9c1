"""What `releve upgrade-code` writes, held against the real SDKs and called on a real server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from integration.harness import ROOT, LiveKit
from integration.test_probe import A_FEW, StartAgent, probe_echo
from releve.probe.caller.join import Server
from releve.probe.suites import conversation
from releve.upgrade.engine import upgrade
from releve.upgrade.gone import GONE, MOVED

FIXTURES = sorted((ROOT / "tests" / "unit" / "upgrade_fixtures").glob("*/before.py"))
TRIAL = ROOT / "src" / "releve" / "upgrade" / "trial.py"
START = TRIAL.with_name("start.py")
# These import names that are gone, and are flagged for each.
NOT_YET = {
    "by_hand",
    "later_coach",
    "own_objects",
    "pipeline_coach",
    "later_derived",
    "later_names",
}
# Written for 0.4, for 0.8 to 0.12 or for 1.x; blue is 0.7.2.
OTHERS = {"layout", "older_worker", "pipeline_coach", "plugin_constructors", "v1_program"}
# With plugins that green does not have.
PLUGINS = {"later_content", "later_options", "plugin_constructors", "v1_program"}


def held(python: Path, files: list[Path]) -> dict[str, dict[str, Any]]:
    said = subprocess.check_output([python, "-P", TRIAL, *files], text=True, timeout=240)
    found: dict[str, dict[str, Any]] = json.loads(said.splitlines()[-1])
    assert len(found) == len(files)
    return found


def test_every_fixture_is_a_v0_program(blue_python: Path) -> None:
    programs = [
        path
        for path in FIXTURES
        if path.parent.name not in OTHERS and not path.parent.name.startswith("later_")
    ]
    for name, said in held(blue_python, programs).items():
        assert (said["import"], said["wrong"]) == (None, []), name


def test_every_result_imports_and_whatever_v1_refuses_is_flagged(green_python: Path) -> None:
    files = [path.with_name("after.py") for path in FIXTURES if path.parent.name not in PLUGINS]
    for name, said in held(green_python, files).items():
        flags = json.loads(Path(name).with_name("flags.json").read_text())["after"]
        lines = {line for line, _rule in flags}
        assert (said["import"] is not None) == (Path(name).parent.name in NOT_YET), said["import"]
        for first, last, error in said["wrong"]:
            assert lines & set(range(first, last + 1)), f"{name}:{first}: {error} is not flagged"


def test_the_targets_data_is_what_its_own_packages_say(green_python: Path) -> None:
    record = ROOT / "src/releve/upgrade/target/record.py"
    said = json.loads(subprocess.check_output([green_python, record], text=True))
    held = json.loads(record.with_name("1.1.3.json").read_text())
    ours = ("livekit.rtc", "livekit.api", "livekit.agents", "livekit.plugins.openai")
    for name, told in said["classes"].items():
        if name.startswith(ours) and "._" not in name:  # what is private differs with what ran
            assert held["classes"][name].get("call") == told.get("call"), name
            assert held["classes"][name]["members"] == told["members"], name
    for name, version in said["versions"].items():
        assert held["versions"][name] == version
    locked = (ROOT / "agent_src/green/requirements-coach.lock").read_text()
    for name, told in held["installed"].items():
        # Of other packages the plugins together allow another version than the coach alone.
        if name.startswith("livekit") and f"\n{name}==" in locked:
            assert f"\n{name}=={told['version']} " in locked, name


PUBLIC = """
import importlib, inspect, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except ImportError:
        found[name] = None
        continue
    found[name] = sorted(getattr(module, "__all__", None) or vars(module))
    for part in map(module.__dict__.get, found[name]):
        if inspect.isclass(part) and part.__module__.startswith("livekit."):
            told = set(dir(part)) | set(getattr(part, "__dataclass_fields__", ()))
            told |= set(getattr(part, "model_fields", ()))
            found[f"{name}.{part.__name__}"] = sorted(told)
json.dump(found, sys.stdout)
"""
MODULES = ["livekit.rtc", "livekit.agents"]
MODULES += [f"livekit.agents.{name}" for name in ("llm", "stt", "tts", "utils", "tokenize", "aio")]
MODULES += [f"livekit.agents.{name}" for name in ("voice_assistant", "transcription")]


@pytest.fixture(scope="module")
def public(blue_python: Path, green_python: Path) -> tuple[dict[str, list[str]], ...]:
    """What v0 and v1 have to offer: names by module, members by class."""
    return tuple(
        json.loads(subprocess.check_output([python, "-c", PUBLIC, *MODULES], text=True))
        for python in (blue_python, green_python)
    )


def test_the_names_that_are_gone_are_those_the_sdks_say(
    public: tuple[dict[str, list[str]], ...],
) -> None:
    old, new = public
    gone = {
        f"{module}.{name}"
        for module, names in old.items()
        if module in MODULES
        for name in names or ()
        if not name.startswith("_") and name not in (new[module] or ())
    }
    assert gone - GONE.keys() - MOVED.keys() == {
        # of a module that moved as a whole
        name
        for name in gone
        if name.startswith("livekit.agents.aio.") and name not in GONE
    }
    listed = [name.rpartition(".") for name in GONE]
    assert not [name for home, _, name in listed if name in (new.get(home) or ())]


def test_what_objects_no_longer_have_is_what_the_rules_speak_of(
    public: tuple[dict[str, list[str]], ...],
) -> None:
    old, new = public
    shown = (ROOT / "docs" / "upgrading.md").read_text()
    gone = {
        (name, member)
        for name, members in old.items()
        if name.split(".")[-1][0].isupper() and name in new
        for member in members
        if not member.startswith("_") and member not in new[name]
    }
    assert len(gone) > 10
    assert sorted(f"{name}.{member}" for name, member in gone if member not in shown) == []


# A worker with a request function, echo_worker, is called by tests/e2e/test_upgrade_code.py.
ECHOES = {
    "the demo's blue agent": ROOT / "agent_src" / "blue" / "agent.py",
    "the direct bot": ROOT / "agent_src" / "direct" / "agent.py",
}


@pytest.mark.parametrize("program", ECHOES)
def test_an_upgraded_echo_starts_on_greens_sdk_and_its_caller_hears_the_echo(
    program: str, livekit_server: LiveKit, start_agent: StartAgent, tmp_path: Path
) -> None:
    done = upgrade(ECHOES[program].read_bytes())
    assert {note.rule.id for note in done.left} <= {"load-of-children"}
    script = tmp_path / "agent.py"
    script.write_bytes(done.after)
    agent = start_agent("green", script=START, how=f"{script} start", PYTHONSAFEPATH="1")
    probe = json.loads(probe_echo(livekit_server, *A_FEW).stdout)
    assert probe["valid"] >= 1, (probe["reason"], agent.log.read_text()[-3000:])
    (call,) = probe["calls"]
    assert call["agents_seen"] == [call["identity"]]
    print(program, {key: probe[key] for key in ("valid", "rtt_ms")})


async def test_an_upgraded_voice_assistant_greets_hears_calls_its_function_and_answers(
    livekit_server: LiveKit,
    start_agent: StartAgent,
    speech: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AGENT_SECONDS", "GREETING_SECONDS", "REPLY_SECONDS", "WRITTEN_SECONDS"):
        monkeypatch.setattr(conversation, name, 60.0)
    program = FIXTURES[0].parents[1] / "whole_coach" / "before.py"
    done = upgrade(program.read_bytes())
    assert done.left == ()
    script = tmp_path / "coach.py"
    script.write_bytes(done.after)
    how = f"{script} start"
    agent = start_agent("green", script=START, how=how, PYTHONSAFEPATH="1", SPEECH_URL=speech)
    server = Server(livekit_server.url, livekit_server.keys)
    sentence = conversation.load(Path(conversation.__file__).with_name("let-us-begin.wav"))
    said = await conversation.run(
        server, "upgraded", "green", [], sentence, calls=1, expect=["Repeat after me"]
    )
    (talk,), log = said["calls"], agent.log.read_text()
    assert talk["failure"] is None, log[-3000:]
    assert talk["greeting_s"] is not None
    assert talk["missing"] == [], log[-3000:]
    assert "the exercise runs" in log
    assert "the user said let us begin" in log


def test_a_tried_program_may_start_slowly_unless_it_says_how_slowly(
    green_python: Path, tmp_path: Path
) -> None:
    script = tmp_path / "agent.py"
    script.write_text(
        "from livekit.agents import WorkerOptions as W\n"
        "print(W(print).initialize_process_timeout)\n"
        "print(W(print, initialize_process_timeout=3).initialize_process_timeout)\n"
    )
    said = subprocess.check_output([green_python, "-P", START, script], text=True, timeout=240)
    assert [float(line) for line in said.splitlines()] == [120.0, 3.0]
