"""A release's container: the one in service, less what is its alone, plus what the release says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from module_utils.release.definition import Definition, Place, define
from module_utils.release.hardened import breaks
from module_utils.release.image_part import RESET, merged, own, variables
from module_utils.release.wanted import Release, read

from .release_standin import ID, container, image

URL = "ws://dispatch-gateway:7891"
PLACE = Place("eloquence", "green", URL)

names = st.sampled_from(["PATH", "HOME", "MODEL", "A", "B"])
values = st.sampled_from(["", "1", "x=y", "/usr/bin"])
words = st.lists(
    st.sampled_from(["python", "agent.py", "start", "sh", "-c"]), min_size=1, max_size=3
)
maps = st.dictionaries(names, values, max_size=3)
healths = st.fixed_dictionaries(
    {"Test": st.just(["CMD", "true"])}, optional={"Interval": st.integers(1, 9)}
)


@st.composite
def configs(draw: st.DrawFn, of_image: bool) -> dict[str, Any]:
    """A Config as an owner or a Dockerfile gives it."""
    env = draw(maps)
    found: dict[str, Any] = {
        "Env": [f"{name}={value}" for name, value in env.items()],
        "Labels": draw(maps),
        "Cmd": draw(st.none() | words),
        "Entrypoint": draw(st.none() | words),
    }
    for key in ("User", "WorkingDir", "StopSignal"):
        found[key] = draw(st.sampled_from(["", "1", "2"]))
    if draw(st.booleans()):
        found["Healthcheck"] = draw(healths)
    if not of_image and draw(st.booleans()):
        found["Entrypoint"] = RESET
        found["Cmd"] = draw(words)
    return found


def sorted_env(config: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in config.items() if value}
    return kept | {"Env": variables(config["Env"])}


@given(configs(of_image=False), configs(of_image=True))
def test_what_is_the_owners_and_the_images_is_again_the_container(
    given_config: dict[str, Any], of_image: dict[str, Any]
) -> None:
    seen = merged(given_config, of_image)
    assert sorted_env(merged(own(seen, of_image), of_image)) == sorted_env(seen)


@given(configs(of_image=False), configs(of_image=True), configs(of_image=True))
def test_nothing_of_the_owners_is_lost_on_another_image(
    given_config: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    """What the owner has set otherwise than the old image is what the release has, too."""
    seen = merged(given_config, one)
    now = merged(own(seen, one), other)
    before = variables(one["Env"])
    for name, value in variables(given_config["Env"]).items():
        if before.get(name) != value:
            assert variables(now["Env"])[name] == value
    for key in ("User", "WorkingDir", "StopSignal"):
        if given_config[key] and given_config[key] != one[key]:
            assert now[key] == given_config[key]
    # Where it is what the image would have done by itself, nobody can tell whose wish it was.
    if seen["Entrypoint"] != one["Entrypoint"]:
        assert (now["Entrypoint"], now["Cmd"]) == (seen["Entrypoint"], seen["Cmd"])
    elif seen["Cmd"] != one["Cmd"] and seen["Cmd"]:
        assert now["Cmd"] == seen["Cmd"]


@given(configs(of_image=True), configs(of_image=True))
def test_what_the_owner_left_to_the_image_is_the_new_ones(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    now = merged(own(merged({}, one), one), other)
    expected = merged({}, other)
    for key in ("User", "WorkingDir", "StopSignal", "Cmd", "Entrypoint"):
        assert (now.get(key) or None) == (expected.get(key) or None), key
    assert variables(now["Env"]) == variables(expected["Env"])
    assert now["Labels"] == expected["Labels"]


def made(release: dict[str, Any] | None = None, **changed: Any) -> Definition:
    of_new = changed.pop("new", {})
    return define(
        changed.pop("current", None) or container(changed.get("config"), changed.get("host")),
        image("old", **changed.get("old", {})),
        image("new", **of_new),
        read(release or {}),
        changed.get("place", PLACE),
        changed.get("files"),
    )


def env(definition: Definition) -> dict[str, str]:
    return variables(definition.shown()["Config"]["Env"])


def test_its_worker_registers_at_the_gateway_and_everything_else_of_its_environment_stays() -> None:
    config = {
        "Env": ["LIVEKIT_URL=wss://x", "LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET=s", "PATH=/b"]
    }
    found = env(made(config=config, old={"Env": ["PATH=/b"]}, new={"Env": ["PATH=/c"]}))
    assert found == {
        "LIVEKIT_URL": URL,
        "LIVEKIT_API_KEY": "k",
        "LIVEKIT_API_SECRET": "s",
        "PATH": "/c",
    }


def test_a_variable_comes_from_files_then_from_the_release_and_null_takes_it_away() -> None:
    config = {"Env": ["A=blue", "B=blue", "C=blue", "KEPT=blue"]}
    release = {"environment": {"B": "release", "C": None, "OF_IMAGE": None, "N": 1, "T": True}}
    files = {"A": "file", "B": "file"}
    found = made(release, config=config, files=files, new={"Env": ["OF_IMAGE=1"]})
    expected = {"A": "file", "B": "release", "KEPT": "blue", "N": "1", "T": "true"}
    assert env(found) == expected | {"LIVEKIT_URL": URL}
    assert "OF_IMAGE" in found.body["Env"]  # without a value: the engine takes it away


def test_what_the_owner_took_away_from_the_image_is_taken_away_from_the_new_one() -> None:
    both = {"Env": ["PROXY=http://old"]}
    assert env(made(old=both, new=both)) == {"LIVEKIT_URL": URL}
    config = {"Env": ["A=1"], "Entrypoint": None, "Cmd": ["python", "a.py"]}
    started = {"Entrypoint": ["tini", "--"], "Cmd": ["python", "a.py"]}
    shown = made(config=config, old=started, new=started).shown()["Config"]
    assert (shown["Entrypoint"], shown["Cmd"]) == (None, ["python", "a.py"])


@pytest.mark.parametrize(
    ("command", "led"),
    [
        (["python", "a.py", "start", "--url", "ws://livekit:7880"], ["--url", URL]),
        (["python", "a.py", "--url=ws://livekit:7880", "x"], [f"--url={URL}", "x"]),
        (["sh", "-c", "sleep 1; a --url 'ws://l' start"], ["-c", f"sleep 1; a --url {URL} start"]),
    ],
)
def test_an_address_in_the_command_is_the_gateways(command: list[str], led: list[str]) -> None:
    """The SDK's option counts for more than its variable: green would register at the server."""
    assert made(config={"Cmd": command}).shown()["Config"]["Cmd"][-2:] == led
    of_image = made(new={"Cmd": command, "Entrypoint": ["tini", "--"]}).shown()["Config"]
    assert (of_image["Cmd"][-2:], of_image["Entrypoint"]) == (led, ["tini", "--"])


def test_compose_does_not_know_it_and_proxies_do_not_lead_to_it() -> None:
    labels = {
        "com.docker.compose.project": "eloquence",
        "traefik.http.routers.agent.rule": "Host(`x`)",
        "team": "voice",
    }
    built = {"Labels": {"com.docker.compose.project": "eloquence", "built": "yes"}}
    found = made(config={"Labels": labels}, new=built).shown()["Config"]["Labels"]
    assert found.pop("releve.definition")
    assert found == {
        "com.docker.compose.project": "",
        "team": "voice",
        "built": "yes",
        "releve.stack": "eloquence",
        "releve.colour": "green",
    }


def test_ports_names_and_addresses_stay_with_the_one_in_service() -> None:
    ports = {"8081/tcp": [{"HostIp": "", "HostPort": "8081"}]}
    config = {"ExposedPorts": {"8081/tcp": {}}, "MacAddress": "02:42:ac:1d:00:05"}
    found = made(config=config, host={"PortBindings": ports, "AutoRemove": True})
    assert (found.left["aliases"], found.left["ports"]) == (["agent"], ["8081/tcp"])
    assert found.body["HostConfig"]["PortBindings"] == {}
    assert not found.body["HostConfig"]["AutoRemove"]
    assert found.body["ExposedPorts"] == {}
    assert not found.body.keys() & {"MacAddress", "Hostname"}
    first = found.body["NetworkingConfig"]["EndpointsConfig"]
    assert first == {"eloquence_default": {"Links": None, "DriverOpts": None}}


@pytest.mark.parametrize("mode", ["host", "none", "default", f"container:{ID}"])
def test_a_network_mode_that_is_no_network_stays(mode: str) -> None:
    current = container(None, {"NetworkMode": mode})
    current["NetworkSettings"]["Networks"] = {mode: {}} if mode in ("host", "none") else {}
    found = made(current=current)
    assert found.body["HostConfig"]["NetworkMode"] == mode
    assert "NetworkingConfig" not in found.body
    assert found.networks == {}


def test_it_joins_every_network_and_the_first_is_that_of_its_mode() -> None:
    current = container(None, {"NetworkMode": "net2"})
    current["NetworkSettings"]["Networks"]["back"] = {"NetworkID": "net2", "Links": ["db:db"]}
    found = made(current=current)
    assert found.body["HostConfig"]["NetworkMode"] == "back"
    assert found.body["NetworkingConfig"]["EndpointsConfig"].keys() == {"back"}
    assert found.networks.keys() == {"eloquence_default"}


def mounts(definition: Definition) -> dict[str, str]:
    from module_utils.release.mounts import of_host

    return {at: str(one) for at, one in of_host(definition.body["HostConfig"]).items()}


def test_mounts_stay_and_are_changed_by_their_place() -> None:
    host = {
        "Binds": ["data:/data:rw", "/srv/key:/run/secrets/key:ro", "/srv/x:/x:z,ro"],
        "Mounts": [{"Type": "bind", "Source": "/srv/m", "Target": "/models", "ReadOnly": True}],
        "Tmpfs": {"/tmp": "size=1m"},
    }
    release = {
        "volumes": {"/data": "green_data", "/models": None, "/new": "/srv/new:ro"},
        "secrets": {"key": "/srv/other", "token": "/srv/token"},
        "tmpfs": {"/tmp": None, "/cache": ""},
    }
    assert mounts(made(host=host)) == {
        "/data": "volume data",
        "/run/secrets/key": "bind /srv/key, read-only",
        "/x": "bind /srv/x z, read-only",
        "/models": "bind /srv/m, read-only",
        "/tmp": "tmpfs size=1m",
    }
    assert mounts(made(release, host=host)) == {
        "/data": "volume green_data",
        "/new": "bind /srv/new, read-only",
        "/run/secrets/key": "bind /srv/other, read-only",
        "/run/secrets/token": "bind /srv/token, read-only",
        "/x": "bind /srv/x z, read-only",
        "/cache": "tmpfs",
    }


def test_a_volume_without_a_name_is_not_left_behind() -> None:
    """Compose 1.29 names every mount in `Volumes`, too: those with a source are no volumes more."""
    current = container({"Volumes": {"/data": {}, "/root/.cache": {}}})
    current["Mounts"] = [
        {"Type": "volume", "Name": "data", "Destination": "/data", "RW": True},
        {"Type": "volume", "Name": "f" * 64, "Destination": "/root/.cache", "RW": True},
    ]
    found = made(current=current)
    assert found.body["HostConfig"]["Binds"] == ["data:/data:rw", f"{'f' * 64}:/root/.cache:rw"]
    assert found.body["Volumes"] == {}


def test_limits_hosts_and_the_rest_are_changed_one_by_one() -> None:
    host = {"Memory": 1 << 30, "MemorySwap": 2 << 30, "ExtraHosts": ["a:1.1.1.1", "b:2.2.2.2"]}
    release = {
        "memory": "2g",
        "cpus": 1.5,
        "shm_size": "64m",
        "stop_seconds": 90,
        "user": "1000",
        "working_dir": "/srv",
        "hostname": "green",
        "extra_hosts": {"b": None, "c": "3.3.3.3"},
        "labels": {"team": "other"},
    }
    body = made(release, host=host).body
    changed = body["HostConfig"]
    assert (changed["Memory"], changed["MemorySwap"]) == (2 << 30, 0)
    assert (changed["NanoCpus"], changed["ShmSize"]) == (1_500_000_000, 64 << 20)
    assert changed["ExtraHosts"] == ["a:1.1.1.1", "c:3.3.3.3"]
    assert (body["User"], body["WorkingDir"], body["StopTimeout"]) == ("1000", "/srv", 90)
    assert (body["Hostname"], body["Labels"]["team"]) == ("green", "other")


def test_a_command_keeps_the_images_entrypoint_and_an_entrypoint_takes_its_command_away() -> None:
    new = {"Entrypoint": ["tini", "--"], "Cmd": ["python", "a.py"]}
    commanded = made({"command": "python b.py start"}, new=new).shown()["Config"]
    assert (commanded["Entrypoint"], commanded["Cmd"]) == (
        ["tini", "--"],
        ["python", "b.py", "start"],
    )
    entered = made({"entrypoint": ["uv", "run", "a.py"]}, new=new).shown()["Config"]
    assert (entered["Entrypoint"], entered["Cmd"]) == (["uv", "run", "a.py"], None)


def test_links_are_asked_for_as_the_engine_takes_them() -> None:
    found = made(host={"Links": ["/redis:/eloquence-agent-1/cache"]})
    assert found.body["HostConfig"]["Links"] == ["redis:cache"]


def test_its_digest_is_of_the_whole_container() -> None:
    one = made()
    assert one.digest == made().digest
    others = [
        made({"environment": {"A": "1"}}),
        made(new={"Labels": {"com.docker.compose.project": "x"}}),
        made(place=Place("eloquence", "blue", URL)),
        define(container(), image("old"), image("new"), Release(), PLACE, None, b"a secret"),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 5


def test_hardened_it_may_do_little_and_keeps_what_is_mounted() -> None:
    host = {"CapAdd": ["NET_ADMIN"], "Privileged": True, "SecurityOpt": ["seccomp=x"]}
    host |= {"MaskedPaths": [], "ReadonlyPaths": None}
    found = made(host=host, place=Place("eloquence", "green", URL, "10001:10001")).body
    assert found["User"] == "10001:10001"
    assert found["HostConfig"] == {
        "NetworkMode": "eloquence_default",
        "Binds": ["data:/data:rw"],
        "Mounts": [],
        "Tmpfs": {"/tmp": ""},
        "ReadonlyRootfs": True,
        "Privileged": False,
        "CapAdd": None,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["seccomp=x", "no-new-privileges:true"],
        "PortBindings": {},
        "PublishAllPorts": False,
        "AutoRemove": False,
        "Links": None,
        "ExtraHosts": None,
    }


def test_what_a_hardened_container_could_not_do_is_told_by_what_the_other_does() -> None:
    changed = ["/app", "/app/log", "/tmp/x", "/data/a", "/run", "/run/secrets", "/etc/hosts"]
    mounted = ["/data", "/run/secrets/key"]
    current = container({"User": ""}, {"CapAdd": ["SYS_NICE"]})
    said = breaks(current, changed, mounted, "10001:10001")
    assert said[0] == "it writes to /app/log, where the root would be read-only"
    assert "SYS_NICE" in said[1]
    assert "runs as root" in said[2]
    assert breaks(container({"User": "10001"}), ["/tmp/x"], mounted, "10001:10001") == []
