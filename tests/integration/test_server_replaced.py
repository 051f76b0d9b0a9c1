"""A LiveKit Server of a compose project, configured, pinned and replaced on a real engine with the
user's own Compose; what does not come up is put back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from livekit import api

from module_utils.server.place import KEYS, KEYS_INSIDE
from unit.ansible_play import played

from .harness import SERVER_VERSIONS
from .tiny_image import tiny_image

ROOT = Path(__file__).parents[2]
NAME = "releve-test-server"
FLOATING = f"{NAME}:latest"
SECRET = "a-secret-that-nobody-may-read-0123"
COMPOSE = ["docker", "compose"] if shutil.which("docker-compose") is None else ["docker-compose"]
PROJECT = f"""
services:
  livekit:
    image: {FLOATING}
    command: --config /etc/livekit.yaml
    environment:
      LIVEKIT_KEYS: "old: {SECRET}"
    volumes: ["./livekit.yaml:/etc/livekit.yaml:ro"]
  other:
    image: {NAME}-tiny:1
    command: [/sleep, infinity]
"""
OWN = "port: 7880  # ours\nrtc: {tcp_port: 7881, strict_acks: true, udp_port: 7882}\n"


@dataclass
class Project:
    """A project that runs, and the task that is tried on it."""

    client: Any
    folder: Path
    state: Path
    tag: str
    said: list[str] = field(default_factory=list)

    def up(self, *words: str) -> None:
        subprocess.run(
            [*COMPOSE, "--project-name", NAME, "up", "--detach", *words],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def server(self) -> Any:
        """The container, as it is now."""
        labels = [f"com.docker.compose.project={NAME}", "com.docker.compose.service=livekit"]
        [found] = self.client.containers.list(filters={"label": labels})
        return found

    def runs(self) -> set[tuple[str, str]]:
        return {
            (one.id, one.attrs["State"]["StartedAt"])
            for one in self.client.containers.list(all=True)
            if one.name.startswith(NAME)
        }

    def files(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in self.folder.iterdir()}

    def mounted(self, place: str = "/etc/livekit.yaml") -> dict[str, Any]:
        """What the running server has there."""
        [mount] = [one for one in self.server().attrs["Mounts"] if one["Destination"] == place]
        found: dict[str, Any] = yaml.safe_load(Path(mount["Source"]).read_text())
        return found

    def accepts(self, key: str, secret: str) -> bool:
        """Whether the server takes a token that is signed with that pair."""
        [network] = self.server().attrs["NetworkSettings"]["Networks"].values()
        grants = api.VideoGrants(room_join=True, room="r")
        token = api.AccessToken(key, secret).with_identity("i").with_grants(grants).to_jwt()
        url = f"http://{network['IPAddress']}:7880/rtc/validate?access_token={token}"
        try:
            return bool(urllib.request.urlopen(url).status == 200)
        except urllib.error.HTTPError as refused:
            assert refused.code == 401
            return False

    def task(self, *options: str, **args: Any) -> dict[str, Any]:
        """The result of releve_server, also of one that failed."""
        asked = {
            "stack": NAME,
            "socket": str(self.state / "admin.sock"),
            "image": self.tag,
            "tag": self.tag,
            "compose": COMPOSE,
            "seconds": 60,
        } | args
        tasks = [
            {"releve_server": asked, "register": "found", "ignore_errors": True},
            {"copy": {"content": "{{ found | to_json }}", "dest": f"{self.state}/found.json"}}
            | {"check_mode": False},
        ]
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (self.state / "play.yml").write_text(yaml.safe_dump(play))
        done = played(
            self.state,
            *options,
            ANSIBLE_ACTION_PLUGINS=str(ROOT / "plugins/action"),
            ANSIBLE_LIBRARY=str(ROOT / "plugins/modules"),
            ANSIBLE_MODULE_UTILS=str(ROOT / "plugins/module_utils"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        self.said.append(done.stdout)
        found: dict[str, Any] = json.loads((self.state / "found.json").read_text())
        return found


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    client = docker.from_env()
    tiny_image(client, f"{NAME}-tiny")
    tiny_image(client, f"{NAME}-broken", ['ENTRYPOINT ["/sleep", "infinity"]'])
    yield client
    for name in (f"{NAME}-tiny:1", f"{NAME}-broken:1"):
        client.images.remove(name, force=True)


@pytest.fixture
def project(client: Any, tmp_path: Path) -> Iterator[Project]:
    for version in SERVER_VERSIONS:
        try:
            image = client.images.get(f"livekit/livekit-server:{version}")
        except docker.errors.ImageNotFound:
            continue
        break
    image.tag(NAME, "latest")
    image.tag(NAME, version)
    folder, state = tmp_path / "project", tmp_path / "state"
    folder.mkdir()
    state.mkdir(mode=0o700)
    (folder / "docker-compose.yml").write_text(PROJECT)
    (folder / "livekit.yaml").write_text(OWN)
    project = Project(client, folder, state, f"{NAME}:{version}")
    try:
        project.up()
        yield project
    finally:
        for one in client.containers.list(all=True):
            if one.name.startswith(NAME):
                one.remove(force=True)
        for network in client.networks.list(names=[f"{NAME}_default"]):
            network.remove()
        for name in (FLOATING, project.tag):
            client.images.remove(name, force=True)
    assert SECRET not in "".join(project.said)


def test_a_server_is_configured_and_pinned_once_and_nothing_moves_it_later(
    project: Project,
) -> None:
    before, files = project.runs(), project.files()
    config = {"rtc": {"use_ice_lite": True, "strict_acks": None}, "room": {"max_participants": 4}}
    asked = {"config": config, "limits": {"nofile": 4096, "memory": "500m"}}

    looked = project.task("--check", "--diff", apply=True, **asked)
    assert looked["changed"], looked
    assert "+  use_ice_lite: true" in project.said[-1]
    assert (project.runs(), project.files()) == (before, files)

    done = project.task(apply=True, **asked)
    assert done["changed"], done
    rtc = {"tcp_port": 7881, "udp_port": 7882, "use_ice_lite": True}
    assert project.mounted() == {"port": 7880, "rtc": rtc, "room": {"max_participants": 4}}
    assert project.files() | files == project.files()  # the user's own are as they were
    assert (project.folder / "livekit.releve.yaml").stat().st_mode & 0o777 == 0o600
    assert project.server().attrs["Config"]["Image"] == project.tag
    assert project.server().attrs["HostConfig"]["Memory"] == 500 * 2**20
    assert len(before & project.runs()) == 1  # the other service was left alone

    runs, after = project.runs(), project.files()
    assert project.task(apply=True, **asked)["changed"] is False
    other = project.client.images.get(f"{NAME}-tiny:1")
    other.tag(NAME, "latest")  # as a pull does
    project.up()
    assert (project.runs(), project.files()) == (runs, after)
    assert project.task(apply=True, **asked)["differs"] == []

    # Taken back: the user's own file again, the image stays pinned.
    assert project.task(apply=True)["changed"]
    assert project.mounted() == yaml.safe_load(OWN)
    assert project.server().attrs["Config"]["Image"] == project.tag
    assert "livekit.releve.yaml" not in project.files()


def test_keys_are_rotated_by_two_files_of_mode_0600(project: Project) -> None:
    keys = project.state / "keys.yaml"
    new = "another-secret-that-nobody-may-read"
    keys.touch(mode=0o600)
    keys.write_text(f'"old": "{SECRET}"\n"new": "{new}"\n')
    done = project.task("--diff", apply=True, keys_file=str(keys))
    assert done["changed"], done
    assert project.mounted(KEYS_INSIDE) == {"old": SECRET, "new": new}
    assert (project.folder / KEYS).stat().st_mode & 0o777 == 0o600
    assert project.accepts("old", SECRET) and project.accepts("new", new)
    assert project.task(apply=True, keys_file=str(keys))["changed"] is False
    assert "+  new: (secret)" in project.said[0]
    assert "LIVEKIT_KEYS=" in project.server().attrs["Config"]["Env"]
    keys.write_text(f"new: {new}\n")
    assert project.task(apply=True, keys_file=str(keys))["changed"]
    assert project.mounted(KEYS_INSIDE) == {"new": new}
    assert project.accepts("new", new) and not project.accepts("old", SECRET)

    runs = project.runs()
    for text, mode, said in (
        (f"new: {new}", 0o644, "can be read by others"),
        ("new: short", 0o600, "the secret of new has less than 32 characters"),
        ("- new", 0o600, "must have lines of"),
    ):
        keys.write_text(text)
        keys.chmod(mode)
        refused = project.task(apply=True, keys_file=str(keys))
        assert said in refused["msg"], refused
    assert new not in "".join(project.said)
    assert project.runs() == runs


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"rtc": {"node_ip": "here"}},
            r"livekit_server_config\.rtc\.node_ip: 'here' must be an IP",
        ),
        ({"room": {"no_such": 1}}, r"livekit_server_config\.room\.no_such: the server says: field"),
        ({"redis": {"db": "one"}}, r"livekit_server_config\.redis\.db: the server says: cannot"),
        (
            {
                "turn": {
                    **{"enabled": True, "domain": "a.example", "tls_port": 5349},
                    **{"cert_file": "/no/cert", "key_file": "/no/key"},
                }
            },
            r"the server says: .*/no/cert",
        ),
        ({"redis": {"sentinel_addresses": "x"}}, r"livekit_server_config\.redis\.sentinel_address"),
    ],
)
def test_what_the_server_does_not_take_is_refused_and_nothing_is_changed(
    project: Project, config: dict[str, Any], said: str
) -> None:
    before, files = project.runs(), project.files()
    refused = project.task(apply=True, config=config)
    assert re.search(said, refused["msg"]), refused["msg"]
    assert refused["msg"].endswith("Nothing was changed")
    assert (project.runs(), project.files()) == (before, files)


def test_a_configuration_with_which_it_does_not_come_up_is_put_back(project: Project) -> None:
    """Its address is not this host's: no trial without a network can tell."""
    files = project.files()
    refused = project.task(apply=True, config={"bind_addresses": ["192.0.2.1"]})
    assert refused["failed"]
    assert "the server ended, it said:" in refused["msg"]
    assert "Image and configuration of before are back; it answers" in refused["msg"]
    assert project.files() == files
    assert project.mounted() == yaml.safe_load(OWN)
    assert project.server().attrs["Config"]["Image"] == FLOATING


def test_an_image_that_does_not_come_up_is_put_back(project: Project) -> None:
    """And the floating name means the old image again, though it has moved meanwhile."""
    old = project.server().attrs["Image"]
    broken = f"{NAME}-broken:1"
    project.client.images.get(broken).tag(NAME, "latest")
    refused = project.task(apply=True, image=broken, tag=broken, seconds=4)
    assert "refused: the server ended, it said: Try '/sleep --help'" in refused["msg"], refused
    assert "are back; it answers" in refused["msg"]
    assert project.server().attrs["Image"] == old
    assert project.client.images.get(FLOATING).id == old
