"""Fixtures of the integration tests: a real server, real agents. See harness.py.

livekit_server    one LiveKit Server for the whole session: .url .keys .keys_file
faulty            an agent that misbehaves as it is told, once for the session: .be() .server
speech            the demo's speech services, once for the session: their URL
blue_python, green_python   interpreters that hold the agents' locked requirements
newest_python     one that holds the newest livekit-agents 1.x there was when newest.lock was made
start_agent(colour, url, script=None, **env) -> Process   ended with the test
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration import harness


@pytest.fixture(scope="session", autouse=True)
def _machine(machine: None) -> None:
    """Before any test here."""


@pytest.fixture(scope="session")
def livekit_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.LiveKit]:
    with harness.running_server(tmp_path_factory.mktemp("livekit")) as server:
        yield server


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[harness.Faulty]:
    with harness.running_faulty(tmp_path_factory.mktemp("faulty")) as faulty:
        yield faulty


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with harness.running_speech(tmp_path_factory.mktemp("speech")) as url:
        yield url


@pytest.fixture(scope="session")
def blue_python() -> Path:
    return harness.python_of("blue")


@pytest.fixture(scope="session")
def green_python() -> Path:
    return harness.python_of("green")


@pytest.fixture(scope="session")
def newest_python() -> Path:
    return harness.python_of("newest")


@pytest.fixture
def start_agent(
    livekit_server: harness.LiveKit, tmp_path: Path
) -> Iterator[Callable[..., harness.Process]]:
    started: list[harness.Process] = []

    def start(
        colour: str, url: str | None = None, script: Path | None = None, **env: str
    ) -> harness.Process:
        log = tmp_path / f"agent-{len(started)}-{colour}.out"
        agent = harness.start_agent(
            colour, url or livekit_server.url, livekit_server.keys, log, script, **env
        )
        started.append(agent)
        return agent

    yield start
    for agent in started:
        agent.stop()
