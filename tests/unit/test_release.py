"""What a release may say, and how what it changes is told: by sentences, and without secrets."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.release import host
from module_utils.release.difference import as_evidence, differences, settings, told
from module_utils.release.redaction import is_secret
from module_utils.release.wanted import ReleaseError, env_file, read

from .release_standin import ID, container


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"enviroment": {}}, "release.enviroment is no setting of a release; the nearest is env"),
        ({"image": "a", "build": "/b"}, "both image and build"),
        ({"image": " "}, "release.image is empty"),
        ({"image": ["a"]}, "release.image must be text, and is a list"),
        ({"build": {"contxt": "/b"}}, "release.build.contxt is no setting of a build"),
        ({"build": {}}, "release.build has no context"),
        ({"build": "src"}, "release.build.context names src; it must be a whole path"),
        ({"build": {"context": "/b", "on": "moon"}}, "must be target or control"),
        ({"environment": ["A=1"]}, "release.environment must be a map of names to values"),
        ({"environment": {"A=B": 1}}, "'A=B' is no name of a variable"),
        ({"environment": {"A": [1]}}, "release.environment.A must be text"),
        ({"environment": {"LIVEKIT_URL": "ws://x"}}, "LIVEKIT_URL is the gateway's address"),
        ({"env_files": "agent.env"}, "must be a whole path on the target"),
        ({"secrets": {"a/b": "/x"}}, "'a/b' is no name"),
        ({"secrets": {"a": "x"}}, "release.secrets.a names x; it must be a whole path"),
        ({"volumes": {"data": "/srv"}}, "data is no place in the container"),
        ({"volumes": {"/data": "./srv"}}, "neither a whole path nor the name of a volume"),
        ({"command": 3}, "release.command must be a line or a list of words"),
        ({"command": "a 'b"}, "release.command cannot be taken apart into words"),
        ({"memory": "lots"}, "release.memory is 'lots'; write 512m or 2g"),
        ({"cpus": 0}, "release.cpus is 0, and must be more than 0"),
        ({"replicas": 0}, "release.replicas is 0, and must be more than 0"),
        ({"stop_seconds": "soon"}, "release.stop_seconds is 'soon', and must be a number"),
    ],
)
def test_what_a_release_must_not_say_is_refused_by_a_sentence(
    said: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ReleaseError, match="release") as refused:
        read(said)
    assert sentence in str(refused.value)


def test_what_a_release_says_is_read() -> None:
    found = read(
        {
            "build": {"context": "/src", "args": {"V": 1}, "on": "control"},
            "command": ["python", "agent.py"],
            "memory": "512m",
            "env_files": "/srv/a.env",
            "image": None,
        }
    )
    assert found.build is not None
    assert (found.build.context, found.build.args, found.build.on) == (
        "/src",
        {"V": "1"},
        "control",
    )
    assert (found.command, found.memory) == (("python", "agent.py"), 512 << 20)
    assert (found.env_files, found.image) == (("/srv/a.env",), None)
    sizes = {"2g": 2 << 30, "1GB": 1 << 30, "1.5GiB": 3 << 29, 4096: 4096, "64k": 64 << 10}
    assert {said: read({"memory": said}).memory for said in sizes} == sizes


def test_env_files_are_read_as_compose_reads_them() -> None:
    text = "# keys\nexport A=1\nB='x # y' \nC=\"two\\nlines\"\nD=a b # rest\n\nE=\nF=x=y\n"
    expected = {"A": "1", "B": "x # y", "C": "two\nlines", "D": "a b", "E": "", "F": "x=y"}
    assert env_file("/a.env", text) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("just words", "a.env line 1 is no line of the form NAME=value"),
        ("A='open", "opens a quotation"),
        ("A=${B}", "refers to another variable"),
    ],
)
def test_an_env_file_that_cannot_be_read_is_told_by_its_line(line: str, said: str) -> None:
    with pytest.raises(ReleaseError) as refused:
        env_file("/srv/a.env", line)
    assert said in str(refused.value)
    assert "open" not in str(refused.value).replace("opens", ""), "no value is told"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "x"),
        ("LIVEKIT_API_SECRET", "secret"),
        ("DATABASE_URL", "postgres://me:pw@db/x"),
        ("DB_PASS", "hunter2"),
        ("X", "sk-proj-abcdefgh12345678"),
        ("X", "eyJhbGciOiJIUzI1NiJ9.e30.x"),
        ("HOOK", "https://x.example/?token=abc"),
    ],
)
def test_secrets_are_known(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LIVEKIT_URL", "ws://livekit:7880"),
        ("LIVEKIT_KEYS_FILE", "/run/secrets/livekit_keys"),
        ("OPENAI_MODEL", "gpt-4o-mini"),
        ("MAX_TOKENS", "512"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("PATH", "/opt/venv/bin:/usr/bin"),
    ],
)
def test_what_is_no_secret_is_told(name: str, value: str) -> None:
    assert not is_secret(name, value)


def seen(env: dict[str, str], **changed: Any) -> dict[str, str]:
    return settings(container({"Env": [f"{k}={v}" for k, v in env.items()]} | changed))


SECRET = "sk-abcdefgh12345678"


def test_a_difference_is_told_by_whom_and_a_secret_by_its_name() -> None:
    before = seen({"LIVEKIT_URL": "ws://a", "MODEL": "a", "API_KEY": "old-key-1", "GONE_KEY": "x"})
    plain = seen({"LIVEKIT_URL": "ws://g", "MODEL": "a", "API_KEY": "old-key-1", "GONE_KEY": "x"})
    after = seen(
        {"LIVEKIT_URL": "ws://g", "MODEL": "b", "API_KEY": SECRET},
        Cmd=["run", "--with", SECRET, "--api-secret=other"],
    )
    found = differences(before, plain, after)
    assert [(one.by, str(one)) for one in found] == [
        ("release", "command: none -> run --with *** --api-secret=***"),
        ("release", "environment API_KEY: changed (secret)"),
        ("release", "environment GONE_KEY: removed (secret)"),
        ("releve", "environment LIVEKIT_URL: ws://a -> ws://g"),
        ("release", "environment MODEL: a -> b"),
    ]
    assert differences(before, before, before) == []


@given(
    st.dictionaries(st.sampled_from(["A_KEY", "B_TOKEN", "DSN"]), st.uuids(), min_size=1),
    st.dictionaries(st.sampled_from(["A_KEY", "B_TOKEN", "DSN"]), st.uuids()),
)
def test_no_secrets_value_is_in_anything_that_is_told(one: Any, other: Any) -> None:
    values = {*map(str, one.values()), *map(str, other.values())}
    log = {"Type": "splunk", "Config": {"splunk-token": "short"}}

    def of(env: dict[str, Any]) -> dict[str, str]:
        config = {"Env": [f"{name}={value}" for name, value in env.items()]}
        config |= {"Cmd": ["run", *map(str, env.values())]}
        return settings(container(config, {"LogConfig": log}))

    text = json.dumps([told(of(one)), as_evidence(differences(of(one), {}, of(other)))])
    text += " ".join(str(found) for found in differences({}, {}, of(one)))
    assert not [value for value in [*values, "short"] if value in text]


def test_the_engines_own_names_are_no_difference() -> None:
    named = settings(container({"Hostname": "agent"}))
    assert "Hostname" not in settings(container())
    assert named["Hostname"] == "agent"
    assert settings(container(None, {"CpuShares": 1024})) == settings(container())
    assert ID not in json.dumps(settings(container()))


def test_a_file_that_one_process_keeps_locked_is_found_and_one_for_a_moment_is_not(
    tmp_path: Path,
) -> None:
    """The kernel tells who holds a lock, and the container's processes what they have open."""
    for name in ("kept", "shared", "free"):
        (tmp_path / name).touch()
    program = (
        "import fcntl, sys\n"
        f"files = [open('{tmp_path}/' + name, 'r+') for name in ('kept', 'shared', 'free')]\n"
        "fcntl.lockf(files[0], fcntl.LOCK_EX)\nfcntl.flock(files[1], fcntl.LOCK_SH)\n"
        "print('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        kept = {str(tmp_path / "kept")}
        assert host.locked(os.getpid(), [str(tmp_path)]) == kept, "of a process that it started"
        assert host.kept_locked(other.pid, [str(tmp_path)]) == kept
        assert host.locked(other.pid, ["/elsewhere"]) == set()
        other.kill()
    with (tmp_path / "free").open("r+") as mine:
        fcntl.flock(mine, fcntl.LOCK_EX)
        assert host.locked(os.getpid(), [str(tmp_path)]) == {str(tmp_path / "free")}

        def meanwhile(_seconds: float) -> None:
            fcntl.flock(mine, fcntl.LOCK_UN)

        assert host.kept_locked(os.getpid(), [str(tmp_path)], meanwhile) == set()
