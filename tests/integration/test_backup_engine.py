"""Backup and restore of a stack of our own on a real engine; it is gone in between."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from module_utils.backup.archive import open_archive, prove_images
from module_utils.backup.contents import BackupError, Contents, read_contents
from module_utils.backup.snapshot import Backup
from module_utils.restic.repository import Restic, ResticError
from module_utils.restore.restore import PARTS, Restore
from module_utils.restore.scratch_copy import BRANCH, ScratchCopy, ensure_branch
from unit.backup_standin import empty_repository, flip_a_byte

from .tiny_image import tiny_image

__all__ = ["empty_repository"]

SECRET = "a-secret-that-nobody-may-read"
REDIS_IMAGE = "releve-test/redis:7"  # a name of ours for an image that apt-get works in
REDIS = """
apt-get update -qq && apt-get install -qq -y --no-install-recommends redis-server >/dev/null 2>&1
mkdir /again
exec redis-server --save "" --dir /data
"""


@dataclass
class Stack:
    """A compose project in all but compose."""

    client: Any
    name: str
    project: Path
    image: str
    restic: Restic

    def make(self) -> None:
        labels = {"com.docker.compose.project": self.name}
        self.project.mkdir()
        (self.project / "settings.yaml").write_text("port: 7880\n")
        (self.project / "with space").mkdir()
        ipam = docker.types.IPAMConfig(
            pool_configs=[docker.types.IPAMPool(subnet="10.213.77.0/24")]
        )
        self.client.networks.create(f"{self.name}_default", ipam=ipam, labels=labels)
        self.client.volumes.create(f"{self.name}_data", labels=labels)
        self.client.containers.run(
            f"{self.name}:1",
            ["/sleep", "infinity"],
            detach=True,
            init=True,
            name=f"{self.name}_agent_1",
            network=f"{self.name}_default",
            environment={"LIVEKIT_API_SECRET": SECRET},
            labels=labels
            | {
                "com.docker.compose.service": "agent",
                "com.docker.compose.project.working_dir": str(self.project),
            },
            volumes={
                f"{self.name}_data": {"bind": "/data", "mode": "rw"},
                str(self.project / "settings.yaml"): {"bind": "/settings.yaml", "mode": "ro"},
            },
            cap_drop=["ALL"],
            read_only=True,
            mem_limit="64m",
            restart_policy={"Name": "unless-stopped"},
        )
        (self.volume / "session.json").write_text("{}")
        os.chown(self.volume / "session.json", 10001, 10001)
        os.chown(self.volume, 10001, 10001)

    @property
    def volume(self) -> Path:
        return Path(self.client.volumes.get(f"{self.name}_data").attrs["Mountpoint"])

    @property
    def container(self) -> Any:
        return self.client.containers.get(f"{self.name}_agent_1")

    def remove(self) -> None:
        chosen = {"label": f"com.docker.compose.project={self.name}"}
        for container in self.client.containers.list(all=True, filters=chosen):
            container.remove(force=True)
        for network in self.client.networks.list(filters=chosen):
            network.remove()
        for volume in self.client.volumes.list(filters=chosen):
            volume.remove()
        for image in (f"{self.name}:1", REDIS_IMAGE):
            if self.client.images.list(name=image):
                self.client.images.remove(image, force=True)
        shutil.rmtree(self.project, ignore_errors=True)

    @property
    def scratch(self) -> Path:
        return self.restic.home / "scratch"

    def contents(self) -> Contents:
        return read_contents(self.client, self.name, ("livekit", "agent"), [])

    def backup(self, run: str) -> dict[str, Any]:
        contents = self.contents()
        return Backup(self.client, self.name, run, contents, self.restic, self.scratch).go()

    def run_redis(self, data: Path) -> Any:
        """Debian's Redis, which keeps nothing on disk unless it is asked to; answering."""
        self.client.images.get("releve:0.1.0").tag(REDIS_IMAGE)
        made = self.client.containers.run(
            REDIS_IMAGE,
            ["-c", REDIS],
            entrypoint="sh",
            user="0",
            detach=True,
            name=f"{self.name}_redis_1",
            labels={
                "com.docker.compose.project": self.name,
                "com.docker.compose.service": "redis",
            },
            volumes={str(data): {"bind": "/data", "mode": "rw"}},
        )
        await_redis(made, 6379)
        return made

    def restore(self, *parts: str) -> Restore:
        archive = open_archive(self.restic, "latest")
        return Restore(self.client, archive, self.name, parts or PARTS)


@pytest.fixture
def stack(tmp_path: Path, empty_repository: Path) -> Iterator[Stack]:
    client = docker.from_env()
    name = f"releve-test-{os.getpid()}"
    home = tmp_path / "home"
    shutil.copytree(empty_repository, home)
    restic = Restic(str(home / "restic"), home, home / "password", name)
    found = Stack(client, name, tmp_path / "project", "", restic)
    try:
        found.image = tiny_image(client, name)
        found.make()
        yield found
    finally:
        found.remove()
        client.close()


def ask_redis(container: Any, *words: str, port: int = 6379) -> str:
    said: bytes = container.exec_run(["redis-cli", "-p", str(port), *words]).output
    return said.decode().strip()


def await_redis(container: Any, port: int) -> None:
    deadline = time.monotonic() + 180
    while ask_redis(container, "PING", port=port) != "PONG":
        assert time.monotonic() < deadline, container.logs()
        time.sleep(0.1)


class Cut:
    """The engine's socket, passed on until so many bytes of answers have come: then it is gone."""

    def __init__(self, path: Path, after: int) -> None:
        self._left = after
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._path = path
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                engine = socket.socket(socket.AF_UNIX)
                engine.connect("/var/run/docker.sock")
                with self._lock:
                    self._open += [client, engine]
                for pair in ((client, engine), (engine, client)):
                    answers = pair[0] is engine
                    threading.Thread(target=self._pass, args=(*pair, answers), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                if answers:
                    with self._lock:
                        self._left -= len(chunk)
                        if self._left <= 0:
                            break
                target.sendall(chunk)
            else:
                target.shutdown(socket.SHUT_WR)
                return
            self.close()

    def close(self) -> None:
        """As an engine that was killed: nobody listens, and what was open is closed."""
        self._path.unlink(missing_ok=True)
        for item in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)
            item.close()

    @property
    def gone(self) -> bool:
        return self._left <= 0


def put_back(restore: Restore) -> list[str]:
    said: list[str] = []
    assert restore.go(said.append) == []
    return said


def shape(container: Any) -> dict[str, Any]:
    """What must be the same again; the engine gives ids and, without a name, a host name."""
    attrs = container.attrs
    config = {key: value for key, value in attrs["Config"].items() if key != "Hostname"}
    mounts = sorted(attrs["Mounts"], key=lambda mount: str(mount["Destination"]))
    networks = {
        name: sorted(set(net["Aliases"] or ()) - {attrs["Id"][:12]})
        for name, net in attrs["NetworkSettings"]["Networks"].items()
    }
    return {
        "config": config,
        "host": attrs["HostConfig"],
        "mounts": mounts,
        "networks": networks,
    }


def test_a_stack_that_is_gone_comes_back_as_it_was(stack: Stack) -> None:
    before = shape(stack.container)
    subnets = stack.client.networks.get(f"{stack.name}_default").attrs["IPAM"]["Config"]
    stack.backup("run1")
    stack.remove()
    said = put_back(stack.restore())
    assert f"load image {stack.name}:1 {stack.image[:19]}" in said
    assert shape(stack.container) == before
    assert stack.container.status == "running"
    assert stack.container.image.id == stack.image
    restored = stack.client.networks.get(f"{stack.name}_default").attrs["IPAM"]["Config"]
    assert restored[0]["Subnet"] == subnets[0]["Subnet"]
    session = stack.volume / "session.json"
    assert (session.read_text(), session.stat().st_uid) == ("{}", 10001)
    assert stack.volume.stat().st_uid == 10001
    assert (stack.project / "settings.yaml").read_text() == "port: 7880\n"
    assert (stack.project / "with space").is_dir()
    assert list(stack.project.parent.glob(".*.releve-*")) == []


def test_a_part_leaves_the_rest_alone_and_the_stack_runs_again(stack: Stack) -> None:
    stack.backup("run1")
    (stack.volume / "session.json").write_text("later")
    (stack.volume / "new").write_text("later")
    (stack.project / "settings.yaml").write_text("port: 1\n")
    same = stack.container.id
    said = put_back(stack.restore("volumes"))
    assert said == [
        f"stop container {stack.name}_agent_1",
        f"replace volume {stack.name}_data",
        f"start container {stack.name}_agent_1",
    ]
    assert sorted(item.name for item in stack.volume.iterdir()) == ["session.json"]
    assert (stack.volume / "session.json").read_text() == "{}"
    assert (stack.project / "settings.yaml").read_text() == "port: 1\n"
    assert (stack.container.id, stack.container.status) == (same, "running")
    # A restore that was killed had stopped it: the next one goes on, and starts it again.
    (stack.volume / "session.json").write_text("later")
    stack.container.stop(timeout=0)
    put_back(stack.restore("volumes"))
    assert (stack.volume / "session.json").read_text() == "{}"
    assert stack.container.status == "running"


def test_what_is_damaged_is_left_as_it_is_and_named_and_all_the_rest_comes_back(
    stack: Stack,
) -> None:
    (stack.project / "recording").write_bytes(os.urandom(2_000_000))
    contents = replace(stack.contents(), images=())  # so that the recording is the largest pack
    Backup(stack.client, stack.name, "run1", contents, stack.restic, stack.scratch).go()
    packs = [path for path in (stack.restic.home / "restic" / "data").rglob("*") if path.is_file()]
    flip_a_byte(max(packs, key=lambda path: path.stat().st_size))
    (stack.project / "settings.yaml").write_text("port: 1\n")
    (stack.volume / "session.json").write_text("later")
    first = stack.container.id
    (lost,) = stack.restore().go(lambda text: None)
    assert str(stack.project) in lost
    assert "was left as it is" in lost
    assert (stack.project / "settings.yaml").read_text() == "port: 1\n"
    assert (stack.volume / "session.json").read_text() == "{}"
    assert stack.container.id != first, "made anew, as it was saved"
    assert stack.container.status == "running"


def test_redis_saves_itself_where_it_can_and_stands_still_where_it_cannot(
    stack: Stack, tmp_path: Path
) -> None:
    redis = stack.run_redis(stack.project / "redis")
    assert ask_redis(redis, "SET", "early", "1") == "OK"
    # A save that has begun already takes a second, and lacks what is written meanwhile.
    ask_redis(redis, "CONFIG", "SET", "rdb-key-save-delay", "1000000")
    assert ask_redis(redis, "BGSAVE") == "Background saving started"
    ask_redis(redis, "CONFIG", "SET", "rdb-key-save-delay", "0")
    assert ask_redis(redis, "SET", "late", "2") == "OK"
    contents = replace(stack.contents(), images=())

    def backup(run: str) -> dict[str, Any]:
        work = Backup(stack.client, stack.name, run, contents, stack.restic, stack.scratch)
        (told,) = work.go()["paused"]
        return dict(told)

    told = backup("run1")
    assert (told["saved_themselves"], told["containers"]) == ([redis.name], [])
    archive = open_archive(stack.restic, "latest")
    archive.restore([tree for tree in archive.trees if tree.kind == "project"], tmp_path / "back")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tmp_path / "back" / f"{stack.project}/redis".lstrip("/"), "again")
    redis.put_archive("/", packed.getvalue())
    again = ["redis-server", "--port", "6380", "--save", "", "--dir", "/again"]
    redis.exec_run(again, detach=True)
    await_redis(redis, 6380)
    assert [ask_redis(redis, "GET", key, port=6380) for key in ("early", "late")] == ["1", "2"]

    ask_redis(redis, "CONFIG", "SET", "requirepass", "unknown to us")
    told = backup("run2")
    assert (told["saved_themselves"], told["containers"]) == ([], [redis.name])
    assert told["seconds"] > 0
    redis.reload()
    assert redis.status == "running"


def test_a_running_stack_is_refused_unless_its_name_is_typed_but_images_come_back_under_it(
    stack: Stack,
) -> None:
    stack.backup("run1")
    with pytest.raises(BackupError, match=f"calls end.*-e confirm={stack.name}"):
        stack.restore().refuse_running("yes")
    stack.restore().refuse_running(stack.name)
    stack.restore("images").refuse_running("")
    stack.client.images.get(f"{stack.name}:1").tag(f"{stack.name}:2")
    stack.client.images.remove(f"{stack.name}:1")
    same = stack.container.id
    said = put_back(stack.restore("images"))
    stack.client.images.remove(f"{stack.name}:2")
    assert said == [f"name image {stack.image[:19]} {stack.name}:1"]
    assert stack.client.images.get(f"{stack.name}:1").id == stack.image
    assert (stack.container.id, stack.container.status) == (same, "running")


def test_an_engine_that_stops_midway_leaves_a_valid_repository_and_the_next_run_goes_on(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = Cut(tmp_path / "engine.sock", after=1_000_000)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    with pytest.raises(ResticError, match=r"`docker save` ended before it was done .* run again"):
        stack.backup("run1")
    assert cut.gone
    assert stack.restic.check() == []
    assert [item["tags"] for item in stack.restic.snapshots()] == [["warm", "run1"]]
    monkeypatch.delenv("DOCKER_HOST")
    assert stack.backup("run2")["images_saved"] == [stack.image]
    assert prove_images(open_archive(stack.restic, "latest")) == []


def test_no_secret_leaves_the_repository(stack: Stack) -> None:
    done = stack.backup("run1")
    archive = open_archive(stack.restic, "latest")
    folder = next(path for path in archive.saved["paths"] if "releve-document" in path)
    public = [
        stack.restic.read(done["snapshot"], f"{folder}/versions.{kind}") for kind in ("json", "md")
    ]
    for text in (*public, json.dumps(done).encode(), json.dumps(archive.saved).encode()):
        assert SECRET.encode() not in text
    assert b"LIVEKIT_API_SECRET" in public[0], "its name is told"
    assert SECRET in json.dumps(archive.containers), "its value is saved, encrypted"
    for path in stack.restic.home.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path


def test_a_copy_to_rehearse_on_shares_nothing_with_the_stack_and_goes_again(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny image's agent has no server to register at; the playbook waits for a real one.
    monkeypatch.setattr("module_utils.restore.scratch_copy.await_registration", lambda agent: None)
    stack.backup("run1")
    before = shape(stack.container)
    scratch = ScratchCopy(stack.client, stack.name, stack.restic.home / "rehearsal")
    archive = open_archive(stack.restic, "latest")
    try:
        scratch.make(archive, "agent")
        assert scratch.exists()
        mark = stack.restic.home / "rehearsal" / ".whole"
        mark.rename(mark.with_name("x"))
        assert not scratch.exists(), "of a run that was killed: it is made anew"
        copy = stack.client.containers.get(f"{stack.name}-rehearsal_agent_1")
        assert list(copy.attrs["NetworkSettings"]["Networks"]) == [f"{scratch.name}_default"]
        sources = {mount["Source"] for mount in copy.attrs["Mounts"]}
        assert not sources & {mount["Source"] for mount in stack.container.attrs["Mounts"]}
        assert copy.labels["com.docker.compose.project"] == scratch.name
        assert Path(copy.labels["com.docker.compose.project.working_dir"]).is_dir()
        there = Path(stack.client.volumes.get(f"{scratch.name}_data").attrs["Mountpoint"])
        assert (there / "session.json").stat().st_uid == 10001
        (there / "session.json").write_text("rehearsed")
    finally:
        assert scratch.remove()
    assert not scratch.remove(), "nothing is left"
    assert not scratch.exists()
    assert not (stack.restic.home / "rehearsal").exists()
    assert (stack.volume / "session.json").read_text() == "{}"
    assert shape(stack.container) == before


def test_the_branch_for_the_migration_is_made_once_and_not_checked_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    assert not ensure_branch(tmp_path), "no repository"
    subprocess.run([*git, "init", "--quiet", "--initial-branch", "main"], check=True)
    assert not ensure_branch(tmp_path), "no commit"
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "x"], check=True)
    assert ensure_branch(tmp_path)
    assert not ensure_branch(tmp_path)
    said = subprocess.run([*git, "branch"], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["*", "main", BRANCH]
    monkeypatch.setattr("shutil.which", lambda tool: None)
    with pytest.raises(BackupError, match="wants git on this host"):
        ensure_branch(tmp_path)
