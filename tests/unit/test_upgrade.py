"""`releve upgrade-code`: every fixture becomes exactly what is written beside it."""

from __future__ import annotations

import io
import json
import tokenize
from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from releve.upgrade.check.rules import RULES as CHECKS
from releve.upgrade.engine import upgrade
from releve.upgrade.model import CannotParse, Upgraded
from releve.upgrade.rules import RULES
from releve.upgrade.table import page
from releve.upgrade.tree import RULES as FILES
from releve.upgrade.versions.pins import RULES as VERSIONS

FIXTURES = sorted(
    path.parent for path in Path(__file__).parent.glob("upgrade_fixtures/*/before.py")
)
each = pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.name)


@cache
def upgraded(fixture: Path) -> Upgraded:
    """What becomes of a fixture: looked at by many tests, made once."""
    return upgrade((fixture / "before.py").read_bytes())


def comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sorted(token.string for token in tokens if token.type == tokenize.COMMENT)


def test_there_are_fixtures() -> None:
    assert len(FIXTURES) >= 15


@each
def test_a_fixture_is_rewritten_exactly_and_flagged_where_it_says(fixture: Path) -> None:
    done = upgraded(fixture)
    assert done.after.decode() == (fixture / "after.py").read_text()
    expected = json.loads((fixture / "flags.json").read_text())
    assert [[note.line, note.rule.id] for note in done.flags] == expected["before"]
    assert [[note.line, note.rule.id] for note in done.left] == expected["after"]


@each
def test_running_it_again_changes_nothing_and_flags_the_same(fixture: Path) -> None:
    once = upgraded(fixture)
    twice = upgrade(once.after)
    assert twice.after == once.after
    assert twice.rewrites == ()
    assert twice.flags == twice.left == once.left


@each
def test_what_was_flagged_stays_flagged_after_the_rewrite(fixture: Path) -> None:
    done = upgraded(fixture)
    assert sorted(n.rule.id for n in done.left) == sorted(n.rule.id for n in done.flags)


@each
def test_no_comment_is_lost(fixture: Path) -> None:
    before = (fixture / "before.py").read_text()
    assert comments(upgraded(fixture).after.decode()) == comments(before)


@each
def test_line_ends_and_encoding_are_kept(fixture: Path) -> None:
    dos = (fixture / "before.py").read_text().replace("\n", "\r\n").encode()
    after = upgrade(dos).after
    assert after.count(b"\n") == after.count(b"\r\n")
    assert after.decode().replace("\r\n", "\n") == (fixture / "after.py").read_text()


LINES = [
    line
    for fixture in FIXTURES
    for line in (fixture / "before.py").read_text().splitlines()
    if line.startswith("    ")
    and not line.startswith("     ")
    and not line.rstrip().endswith((":", "(", ",", "["))
]


TWICE = "    assistant = VoiceAssistant(vad=None, stt=None, llm=None, tts=None, chat_ctx=opening)"


@settings(max_examples=25, deadline=None)
@example([TWICE, TWICE, "    assistant.start(ctx.room)"])
@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=8))
def test_any_mixture_of_v0_lines_reaches_an_end_that_a_second_run_keeps(lines: list[str]) -> None:
    head = (
        "from livekit import agents, api, rtc\n"
        "from livekit.agents import JobContext, llm\n"
        "from livekit.agents.voice_assistant import VoiceAssistant\n\n\n"
        "async def entry(ctx: JobContext, assistant: VoiceAssistant, room: rtc.Room):\n"
    )
    try:
        once = upgrade((head + "\n".join(lines) + "\n").encode())
    except CannotParse:
        return
    twice = upgrade(once.after)
    assert twice.after == once.after
    assert twice.rewrites == ()


AGENTS = Path(__file__).parents[2] / "agent_src"


@pytest.mark.parametrize("program", ["blue/agent.py", "blue/coach.py", "direct/agent.py"])
def test_our_own_v0_agents_are_moved_and_then_stay(program: str) -> None:
    once = upgrade((AGENTS / program).read_bytes())
    assert once.rewrites
    assert upgrade(once.after).after == once.after


def test_every_rule_is_met_by_some_fixture() -> None:
    met = set()
    for fixture in FIXTURES:
        done = upgraded(fixture)
        met |= {note.rule.id for note in (*done.rewrites, *done.flags, *done.left)}
    assert {rule.id for rule in RULES} - met == set()


def test_rule_ids_are_unique() -> None:
    ids = [rule.id for rule in (*RULES, *CHECKS, *VERSIONS, *FILES)]
    assert len(ids) == len(set(ids))


def test_a_line_a_person_has_looked_at_is_not_flagged() -> None:
    text = b"from livekit import rtc\n\n\nasync def go(room: rtc.Room):\n"
    text += b"    await room.connect('', '')"
    assert [note.rule.id for note in upgrade(text).flags] == ["direct-room"]
    assert upgrade(text + b"  # releve: v1\n").flags == ()


def test_names_of_other_packages_and_own_classes_are_not_touched() -> None:
    text = (
        b"import livekit\nfrom music import AudioSource, Room, VoiceAssistant, llm\n"
        b"room = Room()\nprint(room.participants, AudioSource(1, 2))\n"
        b"print(VoiceAssistant(llm.ChatRole.USER))\n"
    )
    done = upgrade(text)
    assert (done.after, done.rewrites, done.flags) == (text, (), ())


def test_names_are_followed_through_aliases() -> None:
    text = b"import livekit.rtc as lk\n\n\ndef count(r: lk.Room):\n    return len(r.participants)\n"
    assert b"len(r.remote_participants)" in upgrade(text).after
    text = b"from livekit.rtc import AudioSource as Loudspeaker\n\nout = Loudspeaker(48000, 1)\n"
    assert b"Loudspeaker(48000, 1, queue_size_ms=10)" in upgrade(text).after


def test_a_variable_that_is_also_something_else_is_not_rewritten() -> None:
    text = (
        b"from livekit import rtc\n\n\ndef pick(other):\n    room = rtc.Room()\n"
        b"    if other:\n        room = other\n    return room.participants.values()\n"
    )
    done = upgrade(text)
    assert done.after == text
    assert [note.rule.id for note in done.flags] == ["maybe-rtc"]


def test_a_name_that_is_taken_is_written_with_its_module() -> None:
    text = (
        b"from livekit.agents import JobContext\n"
        b"from livekit.agents.voice_assistant import VoiceAssistant\n\n\n"
        b"class Agent:\n    pass\n\n\n"
        b"async def entry(ctx: JobContext, parts):\n"
        b"    voice = VoiceAssistant(vad=parts.vad, stt=None, llm=None, tts=None)\n"
        b"    voice.start(ctx.room)\n"
    )
    after = upgrade(text).after.decode()
    assert "agents.Agent(instructions" in after
    assert "from livekit import agents" in after


def test_a_role_in_an_f_string_does_not_end_it() -> None:
    text = b'from livekit.agents import llm\n\nprint(f"by {llm.ChatRole.USER.value}")\n'
    assert b"f\"by {'user'}\"" in upgrade(text).after


def test_what_is_not_python_is_refused_with_its_place() -> None:
    with pytest.raises(CannotParse, match="line 2"):
        upgrade(b"import livekit\nprint 'v0'\n")


def test_the_page_of_the_rules_is_current() -> None:
    shown = Path(__file__).parents[2] / "docs" / "upgrading.md"
    rules = (*RULES, *CHECKS, *VERSIONS, *FILES)
    assert shown.read_text() == page(rules), "run the command on its second line"
