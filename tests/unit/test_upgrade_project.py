"""A project: what its files tell each other, and for which SDK they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from releve.upgrade import tree
from releve.upgrade.era import Era, of_pins


def moved(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """The files of a project as they are after it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for file in tree.upgrade(folder).files:
        tree.write(file)
    assert not [file for file in tree.upgrade(folder).files if file.changed]
    return {name: (folder / name).read_text() for name in files}


ROOMS = "from livekit import rtc\n\nroom = rtc.Room()\n\n\ndef find():\n    return room\n"


@pytest.mark.parametrize(
    ("given", "use"),
    [
        ("from rooms import room", "room"),
        ("from .rooms import room", "room"),
        ("import rooms", "rooms.room"),
        ("from app import rooms", "rooms.room"),
        ("from app.rooms import find", "find()"),
    ],
)
def test_objects_are_followed_from_file_to_file(tmp_path: Path, given: str, use: str) -> None:
    text = f'"""Of livekit."""\n\n{given}\n\nprint(len({use}.participants))\n'
    files = {"app/__init__.py": "", "app/rooms.py": ROOMS, "app/use.py": text}
    assert f"len({use}.remote_participants)" in moved(tmp_path, files)["app/use.py"]


def test_what_a_function_is_given_is_followed_into_its_file(tmp_path: Path) -> None:
    files = {
        "greet.py": GREET,
        "main.py": "from greet import count\nfrom livekit import rtc\n\nprint(count(rtc.Room()))\n",
    }
    assert "where.remote_participants" in moved(tmp_path, files)["greet.py"]


def test_a_function_that_is_given_several_things_is_not_rewritten(tmp_path: Path) -> None:
    files = {
        "greet.py": GREET,
        "main.py": "from greet import count\nfrom livekit import rtc\n\n"
        "print(count(rtc.Room()), count(input()))\n",
    }
    assert moved(tmp_path, files)["greet.py"] == files["greet.py"]


def test_a_large_project_is_shared_among_processes_and_comes_out_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "app/rooms.py": ROOMS,
        "use.py": '"""Of livekit."""\n\nfrom rooms import room\n\nprint(len(room.participants))\n',
        "broken.py": "import livekit\nprint 'python 2'\n",
    }
    alone = moved(tmp_path / "alone", files)
    monkeypatch.setattr(tree, "LARGE", 0)
    assert moved(tmp_path / "shared", files) == alone
    assert "remote_participants" in alone["use.py"]


def test_two_modules_of_one_name_tell_nothing(tmp_path: Path) -> None:
    files = {
        "a/rooms.py": ROOMS,
        "b/rooms.py": ROOMS.replace("rtc.Room()", "rtc.AudioSource(1, 2, queue_size_ms=3)"),
        "use.py": '"""Of livekit."""\n\nfrom rooms import room\n\nprint(len(room.participants))\n',
    }
    assert moved(tmp_path, files)["use.py"] == files["use.py"]


GREET = '"""Of livekit."""\n\n\ndef count(where):\n    return len(where.participants)\n'
SOUND = "from livekit import rtc\n\nsource = rtc.AudioSource(24000, 1)\n"


@pytest.mark.parametrize(
    ("pins", "queue"),
    [
        ("livekit-agents==0.7.2\n", True),
        ("livekit-agents[openai]>=0.8,<0.9\n", True),
        ("livekit-agents~=0.12\n", False),
        ("livekit-agents>=1.1.5\n", False),
        ("aiohttp\n", True),
    ],
)
def test_a_file_that_reads_the_same_in_all_sdks_is_of_the_one_that_the_pins_tell(
    tmp_path: Path, pins: str, queue: bool
) -> None:
    after = moved(tmp_path, {"requirements.txt": pins + "livekit\n", "sound.py": SOUND})["sound.py"]
    assert ("queue_size_ms" in after) == queue


def test_without_pins_the_programs_beside_it_tell(tmp_path: Path) -> None:
    program = "from livekit.agents import AgentSession\n\nprint(AgentSession())\n"
    assert moved(tmp_path, {"main.py": program, "sound.py": SOUND})["sound.py"] == SOUND


@pytest.mark.parametrize(
    ("text", "era"),
    [
        ('livekit-agents = "^0.8"', Era.OLD),
        ('livekit-agents = { version = "0.12.1", extras = ["x"] }', Era.LATER),
        ('"livekit-agents[openai,silero]~=1.0"', Era.V1),
        ("livekit-agents", None),
        ("livekit==0.11.1", None),
    ],
)
def test_pins_tell_the_era(text: str, era: Era | None) -> None:
    assert of_pins([text]) == era
