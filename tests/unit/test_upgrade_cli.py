"""The command: modes, exit codes, files, versions, SARIF."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from releve.cli import main
from releve.upgrade import tree
from releve.upgrade.model import CannotParse
from releve.upgrade.target.signatures import load
from releve.upgrade.versions import pins

V0 = "from livekit import rtc\n\n\ndef count(room: rtc.Room):\n    return len(room.participants)\n"
V1 = V0.replace("participants", "remote_participants")
FLAGGED = (
    "from livekit import rtc\n\n\ndef keys(room: rtc.Room):\n    return list(room.participants)\n"
)


def run(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["upgrade-code", *map(str, args)])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "agent.py").write_text(V0)
    (tmp_path / "other.py").write_text("print('nothing of ours')\n")
    (tmp_path / "requirements.agent.txt").write_text("livekit==0.11.1\naiohttp\n")
    return tmp_path


@pytest.mark.parametrize("mode", [(), ("--check",), ("--diff",)])
def test_check_and_diff_list_what_is_to_do_exit_1_and_write_nothing(
    project: Path, mode: tuple[str, ...]
) -> None:
    code, out, err = run(project, *mode)
    assert code == 1
    assert f"{project}/agent.py:5: rewrite: room-participants" in out + err
    assert (project / "agent.py").read_text() == V0
    assert (project / "requirements.agent.txt").read_text() == "livekit==0.11.1\naiohttp\n"


def test_the_diff_applies(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "unended.py").write_text(V0.rstrip("\n"))
    monkeypatch.chdir(project)
    _, out, _ = run(".", "--diff")
    subprocess.run(["git", "apply", "-"], input=out, text=True, check=True, cwd=project)
    assert (project / "agent.py").read_text() == V1
    assert (project / "unended.py").read_text() == V1.rstrip("\n")
    assert run(".")[0] == 0


def test_write_rewrites_keeps_the_mode_and_has_nothing_to_do_again(project: Path) -> None:
    (project / "agent.py").chmod(0o755)
    assert run(project, "--write")[0] == 0
    assert (project / "agent.py").read_text() == V1
    assert (project / "agent.py").stat().st_mode & 0o777 == 0o755
    assert (project / "requirements.agent.txt").read_text() == "livekit==1.0.10\naiohttp\n"
    before = (project / "agent.py").stat().st_mtime_ns
    assert run(project, "--write")[0] == run(project)[0] == 0
    assert (project / "agent.py").stat().st_mtime_ns == before
    assert sorted(path.name for path in project.iterdir()) == [
        "agent.py",
        "other.py",
        "requirements.agent.txt",
    ]


def test_write_exits_1_while_something_is_left_by_hand(project: Path) -> None:
    (project / "keys.py").write_text(FLAGGED)
    code, out, _ = run(project, "--write")
    assert code == 1
    assert f"{project}/keys.py:5: by hand: room-participants" in out
    assert (project / "keys.py").read_text() == FLAGGED
    assert (project / "agent.py").read_text() == V1


def test_a_file_that_cannot_be_parsed_is_listed_with_its_line_and_the_rest_goes_on(
    project: Path,
) -> None:
    (project / "aa.py").write_text("import livekit\nx = 1\nprint 'python 2'\n")
    (project / "bb.py").write_text("import livekit\nlines = [\n    1,\n]\nx = 'it's broken'\n")
    code, out, _ = run(project, "--write")
    assert code == 1
    assert f"{project}/aa.py:3: by hand: not-read: " in out
    assert f"{project}/bb.py:5: by hand: not-read: " in out
    assert (project / "agent.py").read_text() == V1


def test_what_is_excluded_is_not_looked_at(project: Path) -> None:
    (project / "old" / "deep").mkdir(parents=True)
    (project / "old" / "deep" / "aa.py").write_text("import livekit\nprint 'python 2'\n")
    (project / "bb.py").write_text(V0)
    assert "aa.py" not in run(project, "--exclude", "old")[1]
    code, _, _ = run(project, "--exclude", "old/deep", "--exclude", "b*.py", "--write")
    assert code == 0
    assert (project / "bb.py").read_text() == V0
    assert (project / "agent.py").read_text() == V1


def test_an_unknown_target_is_refused_with_those_that_there_are(project: Path) -> None:
    code, _, err = run(project, "--target", "1.0")
    assert code == 2
    assert "1.1.3, 1.8.9" in err


def test_a_write_that_fails_leaves_the_old_text(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device", str(project / "agent.py"))

    monkeypatch.setattr(os, "fsync", full)
    code, _, err = run(project, "--write")
    assert code == 2
    assert "No space left on device" in err
    assert (project / "agent.py").read_text() == V0
    assert not list(project.glob(".agent.py.*"))


@pytest.mark.parametrize("args", [("/nowhere",), (".", "--check", "--write")])
def test_usage_is_2_with_a_sentence(args: tuple[str, ...]) -> None:
    code, _, err = run(*args)
    assert code == 2
    assert "give a file or a folder" in err or "choose one of" in err


def test_environments_and_hidden_folders_are_not_looked_at(project: Path) -> None:
    for folder in (".git", "venv", "node_modules"):
        (project / folder).mkdir()
        (project / folder / "v0.py").write_text(V0)
    (project / "venv" / "pyvenv.cfg").touch()
    found = tree.upgrade(project)
    assert [file.path.name for file in found.files] == ["agent.py", "requirements.agent.txt"]
    assert [path.name for path in found.left_out] == ["node_modules", "venv"]
    assert f"{project}/venv: left out" in run(project)[2]


def test_sarif_names_rule_file_and_line(project: Path, tmp_path: Path) -> None:
    (project / "keys of ours.py").write_text(FLAGGED)
    to = tmp_path / "out.sarif"
    assert run(project, "--sarif", to)[0] == 1
    document = json.loads(to.read_text())
    assert document["version"] == "2.1.0"
    (only,) = document["runs"]
    known = {rule["id"] for rule in only["tool"]["driver"]["rules"]}
    found = [
        (
            result["ruleId"],
            result["level"],
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for result in only["results"]
    ]
    assert found == [
        ("room-participants", "note", "agent.py", 5),
        ("room-participants", "warning", "keys%20of%20ours.py", 5),
        ("pin", "note", "requirements.agent.txt", 1),
    ]
    assert {rule for rule, *_ in found} <= known


REQUIREMENTS = """\
# the agent
livekit == 0.11.1
livekit_agents[openai,silero]>=0.7,<0.8 ; python_version > "3.8"  # frame
livekit-plugins-silero
livekit-plugins-rag==0.2
livekit-server-sdk==0.6
aiohttp
"""


def test_requirements_get_the_targets_versions_and_keep_the_rest() -> None:
    done = pins.upgrade(REQUIREMENTS.encode(), "requirements")
    own, beside = done.after.decode().split("# what livekit-agents 1.1.3 leaves open")
    assert (
        own
        == """\
# the agent
livekit==1.0.10
livekit_agents[openai,silero]==1.1.3 ; python_version > "3.8"  # frame
livekit-plugins-silero==1.1.3
livekit-plugins-rag==0.2
livekit-server-sdk==0.6
aiohttp
"""
    )
    assert {"livekit-api==1.0.3", "livekit-plugins-openai==1.1.3", "openai==1.96.1"} <= set(
        beside.splitlines()
    )
    assert not [line for line in beside.splitlines() if line.startswith(("aiohttp", "livekit=="))]
    assert [note.line for note in done.flags] == [5]
    again = pins.upgrade(done.after, "requirements")
    assert (again.after, again.rewrites) == (done.after, ())


FROZEN = """\
aiohttp==3.9.5
annotated-types==0.7.0
livekit==0.11.1
livekit-agents==0.7.2
livekit-plugins-openai==0.6.0
numpy==1.26.4  # ours
openai==1.30.5
pydantic==2.7.4
pydantic_core==2.18.4
requests==2.31.0
"""


def test_a_frozen_list_becomes_one_that_resolves() -> None:
    done = pins.upgrade(FROZEN.encode(), "requirements")
    lines = done.after.decode().splitlines()
    assert lines[:10] == [
        "aiohttp==3.12.14",
        "annotated-types==0.7.0",
        "livekit==1.0.10",
        "livekit-agents==1.1.3",
        "livekit-plugins-openai==1.1.3",
        "numpy==2.3.1  # ours",
        "openai==1.96.1",
        "pydantic==2.11.7",
        "pydantic_core==2.33.2",
        "requests==2.31.0",  # none of what LiveKit's packages need
    ]
    assert pins.upgrade(done.after, "requirements").rewrites == ()


def test_pins_that_the_target_takes_are_kept() -> None:
    text = b"livekit-agents>=0.8\npydantic==2.9.0\nopenai>=1.3\nclick<9\n"
    lines = pins.upgrade(text, "requirements").after.decode().splitlines()
    assert lines[:4] == ["livekit-agents==1.1.3", "pydantic==2.9.0", "openai>=1.3", "click<9"]
    with_plugin = pins.upgrade(text + b"livekit-plugins-openai\n", "requirements").after.decode()
    assert "openai==1.96.1\n" in with_plugin


PYPROJECT = """\
[project]
name = "livekit"  # ours is called so, too
keywords = ["livekit"]
dependencies = ["livekit~=0.11", "livekit-agents[openai]>=0.7", 'livekit-api==0.5;extra=="a"']

[tool.poetry.dependencies]
livekit = "^0.11"
livekit-agents = { version = "0.7.2", extras = ["openai"] }
"""


def test_pyproject_gets_them_in_both_dialects() -> None:
    done = pins.upgrade(PYPROJECT.encode(), "pyproject")
    text = done.after.decode()
    for pinned in (
        'name = "livekit"  # ours is called so, too\nkeywords = ["livekit"]\n',
        'dependencies = ["livekit==1.0.10", "livekit-agents[openai]==1.1.3", ',
        ", \"numpy==2.3.1; python_version >= '3.11'\", ",
        ', "openai==1.96.1", ',
        ", 'livekit-api==1.0.3;extra==\"a\"']\n",
        'livekit = "1.0.10"\nlivekit-agents = { version = "1.1.3", extras = ["openai"] }\n',
    ):
        assert pinned in text
    assert pins.upgrade(done.after, "pyproject").rewrites == ()
    with pytest.raises(CannotParse, match="cannot be read"):
        pins.upgrade(b"livekit = [", "pyproject")


def test_locks_and_dockerfiles_are_flagged_and_left() -> None:
    lock = b"livekit==0.11.1 \\\n    --hash=sha256:00\nlivekit-api==0.5.1 --hash=sha256:00\n"
    done = pins.upgrade(lock, "requirements")
    assert (done.after, [note.line for note in done.flags]) == (lock, [1, 3])
    docker = b"FROM python\nRUN pip install livekit-agents==0.7.2 livekit==0.11.1\n"
    done = pins.upgrade(docker, "dockerfile")
    assert (done.after, [note.line for note in done.flags]) == (docker, [2])


def test_the_targets_versions_are_greens() -> None:
    agents = Path(__file__).parents[2] / "agent_src" / "green"
    wanted = dict(
        line.split("==")
        for line in (agents / "requirements.agent.txt").read_text().splitlines()
        if line.startswith("livekit")
    )
    lock = (agents / "requirements.lock").read_text()
    assert wanted.items() <= load().versions.items()
    assert f"livekit-protocol=={load().versions['livekit-protocol']} " in lock


def test_other_commands_start_without_libcst() -> None:
    program = "import sys, releve.cli; sys.exit('libcst' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


LAYOUTS = """\
[project]
name = "agent"
dependencies = [
    "livekit-agents[openai]>=0.7,<0.8; python_version < '3.13'",  # the frame
    'livekit ~= 0.11',
]
authors = [{ name = "x", email = "livekit@example.org" }]
[project.urls]
livekit = "https://livekit.io"
[project.optional-dependencies]
voice = ["livekit-plugins-silero==0.5.0"]
[dependency-groups]
dev = ["livekit-api<1", "livekit-protocol", "pytest"]
[tool.poetry.group.dev.dependencies]
"livekit-plugins-openai" = "^0.6"
livekit_api = ">=0.5"
[tool.poetry.dependencies.livekit-agents]
version = "~0.7"
extras = ["openai"]
[tool.poetry.dependencies]
livekit = { git = "https://github.com/livekit/python-sdks.git", tag = "v0.11.1" }
livekit-plugins-azure = "^1.2"
[tool.versions]
livekit = "0.11"
"""


def test_every_way_to_tell_versions_in_pyproject_is_known_and_nothing_else_is_touched() -> None:
    done = pins.upgrade(LAYOUTS.encode(), "pyproject")
    wanted = LAYOUTS
    for old, new in (
        ("[openai]>=0.7,<0.8;", "[openai]==1.1.3;"),
        ("'livekit ~= 0.11'", "'livekit==1.0.10'"),
        ("silero==0.5.0", "silero==1.1.3"),
        ('"livekit-api<1"', '"livekit-api==1.0.3"'),
        ('"livekit-protocol"', '"livekit-protocol==1.0.4"'),
        ('"livekit-plugins-openai" = "^0.6"', '"livekit-plugins-openai" = "1.1.3"'),
        ('livekit_api = ">=0.5"', 'livekit_api = "1.0.3"'),
        ('version = "~0.7"', 'version = "1.1.3"'),
    ):
        assert wanted.count(old) == 1
        wanted = wanted.replace(old, new)
    beside = [line for line in done.after.decode().splitlines() if line not in wanted.splitlines()]
    text = "".join(
        line
        for line in done.after.decode().splitlines(keepends=True)
        if line.rstrip("\n") not in beside
    )
    assert text == wanted
    assert '    "openai==1.96.1",' in beside
    assert [note.line for note in done.flags] == [21]
    again = pins.upgrade(done.after, "pyproject")
    assert (again.after, again.rewrites, again.flags) == (done.after, (), done.left)
    assert b"git = " in done.after.splitlines()[done.left[0].line - 1]


def test_what_is_v1_already_is_not_taken_back() -> None:
    text = b"livekit==1.0.12\nlivekit-agents>=1.2\nlivekit-api~=1.0\nlivekit-plugins-rag==1.0\n"
    done = pins.upgrade(text, "requirements")
    assert (done.after, done.rewrites) == (text, ())


@pytest.mark.parametrize(
    ("name", "text", "after", "flags"),
    [
        ("setup.py", 'setup(install_requires=["livekit>=0.11", "x"])\n', "livekit==1.0.10", []),
        ("setup.py", 'f(["livekit-agents>=0.7", "x"])\n', '1.1.3", "livekit==1.0.10", "l', []),
        ("setup.cfg", "install_requires =\n    livekit-agents>=0.7\n", "livekit-agents==1.1.3", []),
        ("requirements.txt", "livekit-agents @ git+https://x/agents@v0.7.2\n", None, [1]),
        ("requirements.txt", "git+https://github.com/livekit/agents@v0.7.2\n", None, [1]),
        ("Pipfile", '[packages]\nlivekit = "==0.11.1"\nlivekit-api = "==1.0.3"\n', None, [2]),
        ("environment.yml", "  - pip:\n    - livekit-agents==0.7.2\n", None, [2]),
        ("poetry.lock", '[[package]]\nname = "livekit"\nversion = "0.11.1"\n', None, [2]),
        ("uv.lock", '[[package]]\nname = "livekit"\nversion = "1.0.10"\n', None, []),
    ],
)
def test_other_files_that_tell_versions(
    name: str, text: str, after: str | None, flags: list[int]
) -> None:
    done = pins.upgrade(text.encode(), pins.kind_of(name) or "")
    assert [note.line for note in done.flags] == flags
    assert (after in done.after.decode()) if after else (done.after.decode() == text)
