"""A release made on a real engine from a container with everything that an owner may have set."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from module_utils.docker_host import post
from module_utils.release.container import Container
from module_utils.release.definition import Definition, Place
from module_utils.release.difference import settings
from module_utils.release.preflight import Engine, Looked
from module_utils.release.wanted import ReleaseError, read

from .tiny_image import tiny_image

GATEWAY = "ws://dispatch-gateway:7891"
OF_IMAGE = ["ENV COLOUR=old FROM_IMAGE=old", "LABEL of.image=old", "WORKDIR /old", "USER 12:34"]
# What is the owner's in the container in service, and must be in the release.
OWNERS: dict[str, Any] = {
    "Memory": 64 << 20,
    "NanoCpus": 500_000_000,
    "PidsLimit": 77,
    "ShmSize": 32 << 20,
    "ExtraHosts": ["stt.example:10.1.2.3"],
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m"}},
    "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
    "CapAdd": ["NET_ADMIN"],
    "CapDrop": ["MKNOD"],
    "SecurityOpt": ["no-new-privileges"],
    "Ulimits": [{"Name": "nofile", "Hard": 4096, "Soft": 2048}],
    "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "1000"},
    "Devices": [
        {"PathOnHost": "/dev/null", "PathInContainer": "/dev/none", "CgroupPermissions": "rwm"}
    ],
    "Tmpfs": {"/cache": "size=1m"},
    "Init": True,
    "OomScoreAdj": 100,
    "GroupAdd": ["44"],
    "Dns": ["10.9.8.7"],
}


@dataclass
class Owner:
    """A container in service with its network, volumes and files, and an image to follow it."""

    client: Any
    name: str
    folder: Path
    images: dict[str, str]

    @property
    def place(self) -> Place:
        return Place(self.name, "green", GATEWAY)

    def start(self, **changed: Any) -> Any:
        host = OWNERS | {
            "Binds": [f"{self.name}_data:/data", f"{self.folder}/key:/run/secrets/key:ro"],
            "Mounts": [{"Type": "bind", "Source": str(self.folder), "Target": "/models"}],
            "NetworkMode": f"{self.name}_default",
            "PortBindings": {"8081/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
        }
        body = {
            "Image": self.images["old"],
            "Cmd": ["/sleep", "infinity"],
            "Env": ["LIVEKIT_URL=ws://livekit:7880", "OPENAI_API_KEY=sk-12345678901234567890"],
            "Labels": {
                "com.docker.compose.project": self.name,
                "com.docker.compose.service": "agent",
                "team": "voice",
            },
            "ExposedPorts": {"8081/tcp": {}},
            "Volumes": {"/unnamed": {}},
            "StopSignal": "SIGINT",
            "StopTimeout": 1,
            "Healthcheck": {"Test": ["CMD", "/sleep", "0"], "Interval": 3_600_000_000_000},
            "Tty": True,
            "HostConfig": host | changed.pop("host", {}),
            "NetworkingConfig": {
                "EndpointsConfig": {f"{self.name}_default": {"Aliases": ["agent"]}}
            },
        }
        made = post(self.client, "containers/create", body | changed, name=f"{self.name}-agent-1")
        container = self.client.containers.get(made["Id"])
        self.client.networks.get(f"{self.name}_other").connect(container)
        container.start()
        container.reload()
        return container

    def look(self, image: str | None = "new", place: Place | None = None, **release: Any) -> Looked:
        return Engine(self.client, NotFound).look(
            f"{self.name}-agent-1",
            self.images.get(image, image) if image else None,
            read(release),
            place or self.place,
        )

    def run(self, looked: Looked) -> Any:
        green = f"{self.name}-agent-green"
        Container(self.client, green, NotFound).ensure(looked.definition, None, looked.files, False)
        return self.client.containers.get(green)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    client = docker.from_env()
    found = Owner(client, f"releve-test-release-{os.getpid()}", tmp_path, {})
    (tmp_path / "key").write_text("of a file")
    try:
        found.images["old"] = tiny_image(client, f"{found.name}-old", OF_IMAGE)
        changed = [line.replace("old", "new") for line in OF_IMAGE]
        # As an image that Compose has built.
        changed.append(f"LABEL com.docker.compose.project={found.name}")
        found.images["new"] = tiny_image(client, f"{found.name}-new", changed)
        for network in ("default", "other"):
            client.networks.create(f"{found.name}_{network}")
        yield found
    finally:
        for container in client.containers.list(all=True, filters={"name": found.name}):
            container.remove(force=True, v=True)
        for network in client.networks.list():
            if network.name.startswith(found.name):
                network.remove()
        for volume in client.volumes.list(filters={"name": found.name}):
            volume.remove()
        for image in (f"{found.name}-old:1", f"{found.name}-new:1"):
            client.images.remove(image, force=True)


def shown(definition: Definition) -> dict[str, str]:
    return settings(definition.shown())


def test_nothing_of_the_owners_is_lost_and_what_is_predicted_is_what_the_engine_makes(
    owner: Owner,
) -> None:
    blue = owner.start()
    looked = owner.look()
    green = owner.run(looked)
    # What is said before is what the engine then shows.
    assert settings(green.attrs) == shown(looked.definition)
    was, now = blue.attrs["HostConfig"], green.attrs["HostConfig"]
    for key in OWNERS:
        assert now[key] == was[key], key
    differing = {key for key in was if was[key] != now[key]}
    # The volume without a name has one by now; a processor's shares are 1024 in other words.
    assert differing <= {"PortBindings", "Binds", "Links", "CpuShares"}
    env = green.attrs["Config"]["Env"]
    assert {"COLOUR=new", "FROM_IMAGE=new", f"LIVEKIT_URL={GATEWAY}"} <= set(env)
    assert "OPENAI_API_KEY=sk-12345678901234567890" in env
    of_config = ("StopSignal", "StopTimeout", "Tty", "Cmd", "Healthcheck")
    assert [green.attrs["Config"][key] for key in of_config] == [
        blue.attrs["Config"][key] for key in of_config
    ]
    # Of the image: the new one's.
    assert green.attrs["Config"]["User"] == "12:34"
    assert green.attrs["Config"]["WorkingDir"] == "/new"
    labels = green.attrs["Config"]["Labels"]
    assert (labels["team"], labels["of.image"]) == ("voice", "new")
    same = {mount["Destination"]: mount.get("Name") for mount in blue.attrs["Mounts"]}
    assert {mount["Destination"]: mount.get("Name") for mount in green.attrs["Mounts"]} == same
    assert set(same) == {"/data", "/models", "/run/secrets/key", "/unnamed", "/cache"} - {"/cache"}


def test_its_names_and_ports_stay_with_the_one_in_service(owner: Owner) -> None:
    owner.start()
    looked = owner.look()
    green = owner.run(looked)
    mine = {"label": f"com.docker.compose.project={owner.name}"}
    assert green.name not in [item.name for item in owner.client.containers.list(filters=mine)]
    assert green.attrs["NetworkSettings"]["Ports"] == {}
    networks = green.attrs["NetworkSettings"]["Networks"]
    assert networks.keys() == {f"{owner.name}_default", f"{owner.name}_other"}
    assert all("agent" not in (one["Aliases"] or ()) for one in networks.values())
    said = " ".join(looked.notes)
    assert "the name agent on the network stays" in said
    assert "the published ports 8081/tcp stay" in said


def test_a_second_time_changes_nothing_and_another_release_replaces_it(owner: Owner) -> None:
    owner.start()
    first = owner.run(owner.look())
    again = owner.run(owner.look())
    assert (again.id, again.attrs["State"]["StartedAt"]) == (
        first.id,
        first.attrs["State"]["StartedAt"],
    )
    other = owner.run(owner.look(environment={"MODEL": "b"}))
    assert other.id != first.id
    with pytest.raises(NotFound):
        owner.client.containers.get(first.id)


def test_while_it_starts_it_gives_way_and_then_it_weighs_what_any_container_does(
    owner: Owner,
) -> None:
    owner.start()
    green = f"{owner.name}-agent-green"
    looked, container = owner.look(), Container(owner.client, green, NotFound)
    outcomes = []
    for shares in (128, None, None):
        outcomes.append(container.ensure(looked.definition, shares, looked.files, False).changed)
        found = owner.client.containers.get(green).attrs["HostConfig"]["CpuShares"]
        assert found == (shares or 1024)
    assert outcomes == [True, True, False]


def test_secrets_that_compose_put_into_the_container_itself_reach_the_release(
    owner: Owner,
) -> None:
    """Those of a variable or of text are in no mount: the engine shows them as changed files."""
    blue = owner.start(host={"Binds": []})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        about = tarfile.TarInfo("run/secrets/token")
        about.size, about.mode, about.uid = 6, 0o440, 12
        tar.addfile(about, io.BytesIO(b"hidden"))
    blue.put_archive("/", out.getvalue())
    green = owner.run(owner.look())
    stream, _ = green.get_archive("/run/secrets/token")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as tar:
        member = tar.getmembers()[0]
        assert (member.mode & 0o777, member.uid) == (0o440, 12)
        file = tar.extractfile(member)
        assert file is not None
        assert file.read() == b"hidden"


def test_the_owners_compose_leaves_it_alone(owner: Owner) -> None:
    """`up`, and `down --remove-orphans`: it takes what has the project's label."""
    owner.start()
    green = owner.run(owner.look())
    project = {"label": [f"com.docker.compose.project={owner.name}"]}
    labelled = {"label": ["com.docker.compose.project"]}
    ids = [item.id for item in owner.client.containers.list(all=True, filters=project)]
    assert green.id not in ids
    (found,) = [
        item
        for item in owner.client.containers.list(all=True, filters=labelled)
        if item.id == green.id
    ]
    assert found.labels["com.docker.compose.project"] == ""


@pytest.mark.parametrize(
    ("release", "said"),
    [
        ({"image": "no.such.example/agent:9"}, "no.such.example/agent:9, is not on this host"),
        ({"image": None}, "differs in nothing from what is in service"),
        ({"volumes": {"/x": "/no/such/folder"}}, "/no/such/folder, which is to be mounted at /x"),
        ({"env_files": "/no/such/file"}, "release.env_files names /no/such/file on the target"),
    ],
)
def test_what_cannot_be_brought_in_is_refused_and_nothing_is_made(
    owner: Owner, release: dict[str, Any], said: str
) -> None:
    owner.start()
    image = release.pop("image", "new")
    with pytest.raises(ReleaseError, match=said):
        owner.look(image, **release).refuse_same()
    assert len(owner.client.containers.list(all=True, filters={"name": owner.name})) == 1


def test_one_that_does_not_start_does_not_stay(owner: Owner) -> None:
    owner.start(host={"Init": False})
    looked = owner.look(command=["/no/such/program"])
    with pytest.raises(docker.errors.APIError):
        owner.run(looked)
    assert len(owner.client.containers.list(all=True, filters={"name": owner.name})) == 1


def test_a_strangers_container_of_that_name_is_left_alone(owner: Owner) -> None:
    owner.start()
    name = f"{owner.name}-agent-green"
    stranger = owner.client.containers.create(owner.images["old"], ["/sleep", "1"], name=name)
    with pytest.raises(ReleaseError, match="is not this stack's"):
        owner.run(owner.look())
    stranger.reload()


def test_hardened_it_is_tried_and_says_what_breaks(owner: Owner) -> None:
    blue = owner.start()
    hardened = Place(owner.name, "green", GATEWAY, "10001:10001")
    looked = owner.look(place=hardened)
    assert any("has the capabilities" in note for note in looked.notes)
    container = Container(owner.client, f"{owner.name}-agent-green", NotFound)
    # `/sleep infinity --help` tells its usage and ends well.
    broken = owner.look(place=hardened, command=["/sleep", "--nonsense"])
    assert container.try_help(looked.definition, None) is None
    with pytest.raises(ReleaseError, match="does not start as a hardened container"):
        container.try_help(broken.definition, None)
    names = {item.name for item in owner.client.containers.list(all=True)}
    assert f"{owner.name}-agent-green-trial" not in names
    assert blue.name in names
