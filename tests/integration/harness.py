"""Real processes for integration tests: a LiveKit Server and agents of both SDKs, no containers.

Everything that is slow to make is cached under var/cache and made under a file lock, so several
test sessions may run side by side. Every process runs in a process group of its own, which is
ended by id.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
import yaml

from ports import free_port
from releve.keys import Keys

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "var" / "cache"
SHARED = ROOT / "agent_src" / "shared"  # in the image beside the agent
LOCKS = {
    "blue": ROOT / "agent_src" / "blue" / "requirements-coach.lock",
    "green": ROOT / "agent_src" / "green" / "requirements-coach.lock",
    "newest": Path(__file__).parent / "newest.lock",
    "speech": ROOT / "demo" / "speech" / "requirements.lock",
}
FAULTY = Path(__file__).parent / "harness_agent.py"
SERVER_VERSIONS = ("v1.9.0", "v1.8.4")  # wanted, and what stands in for it
READY_SECONDS = 180.0  # of a machine that is busy; what dies is not waited for
STOP_SECONDS = 5.0


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold var/cache/<name>.lock: one session makes a thing, the others wait and find it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def server_binary() -> Path:
    """The livekit-server of the first version at hand, out of the image that `make images` made."""
    client = docker.from_env()
    for version in SERVER_VERSIONS:
        folder = CACHE / "livekit-server-of-image" / version
        with locked("livekit-server-of-image"), suppress(docker.errors.ImageNotFound):
            if not (folder / "livekit-server").exists():
                image = client.containers.create(f"livekit/livekit-server:{version}")
                packed, _ = image.get_archive("/livekit-server")
                with tarfile.open(fileobj=io.BytesIO(b"".join(packed))) as tar:
                    tar.extractall(folder / "part", filter="data")
                (folder / "part" / "livekit-server").rename(folder / "livekit-server")
                image.remove()
            return folder / "livekit-server"
    raise RuntimeError(f"no livekit-server of {SERVER_VERSIONS} is on this engine; `make images`")


def python_of(name: str) -> Path:
    """The interpreter of a venv that holds exactly what its lock says.

    A colour's is that of a coach, of which an echo needs a part; that this part is enough is seen
    where its image runs.
    """
    lock = LOCKS[name]
    venv = CACHE / f"venv-{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    python = venv / "bin" / "python"
    with locked(venv.name):
        if not (venv / "complete").exists():
            shutil.rmtree(venv, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
            install = [ROOT / "requirements" / "install", sys.executable, "--python", python]
            subprocess.run(
                [*install, "--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", lock],
                check=True,
            )
            (venv / "complete").touch()
    return python


def write_keys(path: Path, keys: Keys) -> Path:
    """Write LiveKit's `keys:` map with mode 0600."""
    path.touch(mode=0o600)
    path.write_text(f"{keys.api_key}: {keys.secret}\n")
    return path


class Process:
    """A program in a process group of its own, its output in a log file."""

    def __init__(self, command: list[str | Path], log: Path, env: dict[str, str]) -> None:
        self.log = log
        with log.open("w") as out:
            self._popen = subprocess.Popen(
                command, stdout=out, stderr=out, env=env, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group (an agent's jobs are processes of their own)."""
        os.killpg(self.pid, number)

    def wait(self, seconds: float) -> int:
        return self._popen.wait(seconds)

    def stop(self) -> None:
        """SIGTERM to the program, and SIGKILL to whatever of its group is left after that."""
        if self.returncode is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_SECONDS)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._popen.wait()

    def died(self) -> str | None:
        """The end of the log when the program has ended, else None."""
        if self.returncode is None:
            return None
        return f"exit {self.returncode}:\n{self.log.read_text()[-3000:]}"


@dataclass(frozen=True)
class LiveKit:
    """A running LiveKit Server on loopback."""

    url: str
    keys: Keys
    keys_file: Path
    process: Process
    version: str


@contextmanager
def running_server(directory: Path, **more: object) -> Iterator[LiveKit]:
    """A LiveKit Server with generated keys on free ports of 127.0.0.1, answering its port.

    `more` are further keys of its settings.
    """
    binary = server_binary()
    keys = Keys("test" + secrets.token_hex(4), secrets.token_hex(24))
    keys_file = write_keys(directory / "keys.yaml", keys)
    port = free_port()
    config = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "key_file": str(keys_file),
        "rtc": {
            "tcp_port": free_port(),
            "udp_port": free_port(socket.SOCK_DGRAM),
            "use_external_ip": False,
            "node_ip": "127.0.0.1",
            "interfaces": {"includes": ["lo"]},
            "enable_loopback_candidate": True,
            # Else a call here breaks with any Docker network that a test beside removes:
            # docs/decisions/ice-lite.md.
            "use_ice_lite": True,
        },
        **more,
    }
    (directory / "livekit.yaml").write_text(yaml.safe_dump(config))
    command = [binary, "--config", directory / "livekit.yaml"]
    server = Process(command, directory / "livekit.out", dict(os.environ))
    try:
        _await_answer(f"http://127.0.0.1:{port}", server)
        yield LiveKit(f"ws://127.0.0.1:{port}", keys, keys_file, server, binary.parent.name)
    finally:
        server.stop()


def _await_answer(url: str, server: Process) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if said := server.died():
            raise RuntimeError(f"{url} did not start, {said}")
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 (http on loopback)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} gave no answer within {READY_SECONDS:.0f} s")


@contextmanager
def running_speech(directory: Path, *options: str) -> Iterator[str]:
    """The demo's speech services on a free port of 127.0.0.1: the URL that clients are given."""
    folder = ROOT / "demo" / "speech"
    port = free_port()
    command = [python_of("speech"), folder / "speech.py", "--port", str(port), *options]
    service = Process(command, directory / "speech.out", dict(os.environ))
    try:
        _await_answer(f"http://127.0.0.1:{port}/v1/models", service)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        service.stop()


def start_agent(
    colour: str,
    url: str,
    keys: Keys,
    log: Path,
    script: Path | None = None,
    python: Path | None = None,
    how: str = "start",
    **env: str,
) -> Process:
    """Start agent_src/<colour>/agent.py (or `script`) and await its registration.

    And the processes in which it waits for calls, where its SDK has such; IDLE in `env`, else one.
    It runs on the colour's own SDK, or on that of `python`; `how` are its arguments.
    `url` is a LiveKit Server or a gateway; `env` is added to the agent's environment.
    """
    script = script or ROOT / "agent_src" / colour / "agent.py"
    mine = {
        "LIVEKIT_URL": url,
        "LIVEKIT_API_KEY": keys.api_key,
        "LIVEKIT_API_SECRET": keys.secret,
        "LIVEKIT_KEYS_FILE": str(write_keys(log.with_suffix(".keys"), keys)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": f"{Path(__file__).parent / 'harness_site'}:{SHARED}",
        "PATH": os.environ["PATH"],
    }
    agent = Process([python or python_of(colour), script, *how.split()], log, mine | env)
    waiting = 0 if colour == "blue" else int(env.get("IDLE", "1"))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        said = log.read_text()
        if "registered worker" in said and said.count("process initialized") >= waiting:
            return agent
        if died := agent.died():
            pytest.fail(f"{colour} agent did not start, {died}")
        time.sleep(0.05)
    agent.stop()
    pytest.fail(f"{colour} agent not ready in {READY_SECONDS:.0f} s:\n{log.read_text()[-3000:]}")


@dataclass(frozen=True)
class Faulty:
    """harness_agent.py, alone on a server of its own; what each call is to meet can be told."""

    server: LiveKit
    faults: Path

    def be(self, fault: str, **more: str) -> LiveKit:
        """From the next call on, with FAULT_SECONDS and IDENTITY in `more`. Its server."""
        self.faults.write_text(json.dumps({"FAULT": fault} | more))
        return self.server


@contextmanager
def running_faulty(directory: Path) -> Iterator[Faulty]:
    with running_server(directory) as server:
        faulty = Faulty(server, directory / "faults.json")
        faulty.be("none")
        log, faults = directory / "agent.out", str(faulty.faults)
        agent = start_agent("green", server.url, server.keys, log, FAULTY, FAULTS=faults, IDLE="2")
        try:
            yield faulty
        finally:
            agent.stop()


if __name__ == "__main__":
    for locked_name in LOCKS:
        python_of(locked_name)
