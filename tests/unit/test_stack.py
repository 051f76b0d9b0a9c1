"""Reading one stack, from recorded facts of kernel and engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from module_utils.discovery.programs import Program
from module_utils.stack import Stack, StackError

from .recorded_host import ENVIRONMENT, FFI, PACKAGES, SECRET, Host, compose, python, server, worker

LIVEKIT = {name: version for name, version in PACKAGES.items() if name != "python"}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setattr("module_utils.stack.memory_folder", lambda pid: None)
    return Host(tmp_path, monkeypatch)


def ours(colour: str, stack: str = "shop") -> dict[str, str]:
    return {"releve.stack": stack, "releve.colour": colour, "maintainer": "nobody"}


def running(host: Host, seen: str | None = None, **agent_is: Any) -> int:
    """Server and agent, connected."""
    at, blue = server(host), worker(host, **agent_is)
    host.connection(blue, "172.18.0.98:40000", "172.18.0.97:7880", at, seen)
    return at


def stack(host: Host) -> Stack:
    return Stack(host.client(), "shop", "livekit", "agent", host.machine())


def test_server_and_agent_are_found_by_their_compose_labels(host: Host) -> None:
    running(host)
    host.container("c", "bar_livekit", labels=compose("livekit", "bar"))
    host.container("d", "shop_redis", labels=compose("redis"))
    host.container("e", "their-green", labels=ours("green", "bar"))
    read = stack(host).read()
    assert read["server"]["name"] == "shop_livekit"
    assert read["blue"]["name"] == "shop_agent"
    assert (read["green"], read["gateway"], read["sentinels"]) == (None, None, None)
    assert read["network"] == "shop_default"
    assert read["project_dir"] == "/srv/shop"
    assert read["compose_files"] == ["/srv/shop/compose.yml", "/srv/shop/prod.yml"]
    assert read["env_files"] == ["/srv/.env"]
    assert read["volumes"] == [{"name": "shop_data", "path": "/var/lib/v/_data"}]


def test_an_address_of_the_server_that_is_none_is_refused_by_a_sentence(host: Host) -> None:
    running(host, env=["LIVEKIT_URL=ws://livekit:788O", *ENVIRONMENT[1:]])
    with pytest.raises(StackError, match="shop_agent has a LIVEKIT_URL that is no address"):
        stack(host).read()


def test_versions_are_those_of_the_programs_that_run_behind_any_entrypoint(host: Host) -> None:
    """The containers' first processes are tini and uv."""
    running(host)
    read = stack(host).read()
    assert read["server"]["version"] == "v1.9.0"
    assert read["blue"]["packages"] == LIVEKIT


def test_versions_that_cannot_be_asked_are_unknown(host: Host) -> None:
    at = server(host, says=lambda _: None)
    blue = worker(host, says=lambda _: None)
    host.connection(blue, "172.18.0.98:40000", "172.18.0.97:7880", at)
    read = stack(host).read()
    assert (read["server"]["version"], read["blue"]["packages"]) == (None, None)


def test_a_python_without_livekit_agents_tells_nothing_of_the_worker(host: Host) -> None:
    running(host, says=python({"livekit": "1.0.10"}))
    assert stack(host).read()["blue"]["packages"] is None


def test_an_agent_that_is_not_connected_or_does_not_answer_tells_its_versions(host: Host) -> None:
    server(host)
    worker(host)
    host.answers = {key: said for key, said in host.answers.items() if key[1] == 7880}
    assert stack(host).read()["blue"]["packages"] == LIVEKIT


def test_a_worker_that_does_not_say_that_it_is_well_is_found_by_its_connection(host: Host) -> None:
    running(host)
    host.answers = {key: said for key, said in host.answers.items() if key[1] == 7880}
    blue = stack(host).read()["blue"]
    assert blue["seen"] == {"address": "172.18.0.97", "port": 7880}
    assert blue["not_live"] is None


def test_a_worker_without_a_connection_is_not_adopted_live(host: Host) -> None:
    server(host)
    worker(host)
    assert stack(host).read()["blue"]["not_live"].startswith("it is connected to no server now")


def test_relèves_own_containers_are_found_even_when_they_do_not_run(host: Host) -> None:
    running(host)
    host.container("e", "shop-agent-green", labels=ours("green"), running=False)
    host.container("f", "shop-gateway", labels=ours("gateway"))
    read = stack(host).read()
    assert (read["green"]["running"], read["green"]["packages"]) == (False, None)
    assert read["gateway"]["address"] == "172.18.0.102"
    assert read["gateway"]["labels"] == {"releve.stack": "shop", "releve.colour": "gateway"}


def test_once_composes_agent_is_gone_blue_is_whoever_stands_in_its_place(host: Host) -> None:
    at = server(host)
    ours_blue = worker(host, 300, "e", "shop-agent-blue", labels=ours("blue"))
    host.connection(ours_blue, "172.18.0.101:40000", "172.18.0.97:7880", at)
    blue = stack(host).read()["blue"]
    assert (blue["name"], blue["by_compose"]) == ("shop-agent-blue", False)


def test_a_second_agent_that_compose_has_started_is_refused(host: Host) -> None:
    running(host)
    assert stack(host).read()["blue"]["by_compose"] is True
    host.container("e", "shop-agent-blue", labels=ours("blue"))
    with pytest.raises(StackError, match="shop_agent runs beside shop-agent-blue"):
        stack(host).read()


def test_two_servers_of_one_service_are_refused_by_name(host: Host) -> None:
    running(host)
    host.container("e", "shop_livekit_2", labels=compose("livekit"))
    with pytest.raises(
        StackError, match=r"runs 2 times \(shop_livekit, shop_livekit_2\); scale it"
    ):
        stack(host).read()


def another(host: Host, at: int, name: str = "shop_agent2", **is_: Any) -> int:
    other = worker(host, 300, "c", name, **is_)
    host.connection(other, "172.18.0.99:40000", "172.18.0.97:7880", at)
    return other


def blues(host: Host) -> list[tuple[str, bool]]:
    return [(one["name"], one["adopted"]) for one in stack(host).read()["blues"]]


def test_replicas_of_a_service_are_all_blue(host: Host) -> None:
    another(host, running(host), labels=compose("agent"))
    assert blues(host) == [("shop_agent", False), ("shop_agent2", False)]


@pytest.mark.parametrize(("name", "together"), [("", True), ("tutor", False)])
def test_another_service_under_the_same_key_is_moved_with_it(
    host: Host, name: str, together: bool
) -> None:
    """One alone would be adopted, and the flip would move a part of the rooms."""
    another(host, running(host), agent_name=name)
    assert [one for one, _ in blues(host)] == ["shop_agent", *(["shop_agent2"] if together else [])]


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"agent_name": None}, "do not tell their names, so maybe under one key"),
        ({"networks": {"x": "172.30.0.3"}}, "workers under one key and share no network"),
        ({"mode": "host", "networks": {"host": ""}}, "workers under one key and share no network"),
    ],
)
def test_a_worker_that_cannot_be_moved_with_it_stops_the_run(
    host: Host, other: dict[str, Any], sentence: str
) -> None:
    another(host, running(host), **other)
    with pytest.raises(StackError, match=sentence):
        stack(host).read()


def test_a_worker_of_the_key_that_is_no_container_stops_the_run(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = running(host)
    argv = ["/venv/bin/python", "agent.py", "dev"]
    exe = {"exe": "/usr/bin/python3.12", "maps": [FFI], "env": ENVIRONMENT}
    host.process(600, argv, listens=["0.0.0.0:8082"], **exe)
    host.answer(600, 8082, "/worker", 200, json.dumps({"agent_name": ""}))
    host.connection(600, "172.18.0.1:4000", "172.18.0.97:7880", at)
    monkeypatch.setattr(Program, "packages", property(lambda _: PACKAGES))
    with pytest.raises(StackError, match=r"process 600 .* is a worker under the key of shop_agent"):
        stack(host).read()


def test_green_behind_the_gateway_is_no_second_worker(host: Host) -> None:
    at = running(host)
    full = host.container("f", "shop-gateway", labels=ours("gateway"))
    host.process(400, ["/opt/releve"], net="g", container=full, listens=["0.0.0.0:7891"])
    host.connection(400, "172.18.0.102:50000", "172.18.0.97:7880", at)
    green = worker(host, 300, "e", "shop-agent-green", labels=ours("green"))
    host.connection(green, "172.18.0.101:40000", "172.18.0.102:7891", 400)
    assert stack(host).read()["green"]["packages"] == LIVEKIT


@pytest.mark.parametrize("present", [False, True])
def test_without_a_running_server_the_settings_to_change_are_named(
    host: Host, present: bool
) -> None:
    worker(host)
    if present:
        host.container("a", "shop_livekit", running=False)
    with pytest.raises(StackError, match="service livekit in compose project shop; start it"):
        stack(host).read()


def test_a_stack_without_an_agent_is_no_error(host: Host) -> None:
    server(host)
    read = stack(host)
    assert read.read()["blue"] is None
    assert read.keys() is None


ON_HOST: dict[str, Any] = {"mode": "host", "networks": {"host": ""}}


def test_an_agent_on_the_hosts_network_has_the_gateway_there(host: Host) -> None:
    at = server(host, net="host", **ON_HOST)
    host.connection(worker(host, net="host", **ON_HOST), "[::1]:4000", "[::1]:7880", at)
    read = stack(host).read()
    assert read["network"] == "host"
    assert read["blue"]["address"] == "127.0.0.1"
    assert read["blue"]["seen"] == {"address": "::1", "port": 7880}
    assert read["server"]["ours"]


def test_a_server_on_the_hosts_network_is_reached_from_the_agents(host: Host) -> None:
    at = server(host, net="host", **ON_HOST)
    env = ["LIVEKIT_URL=ws://host.docker.internal:7880", *ENVIRONMENT[1:]]
    blue = worker(host, env=env, hosts=["host.docker.internal:host-gateway"])
    host.connection(blue, "172.18.0.98:4000", "172.17.0.1:7880", at)
    read = stack(host).read()
    assert read["network"] == "shop_default"
    assert read["extra_hosts"] == {"host.docker.internal": "host-gateway"}
    assert read["blue"]["not_live"] is None
    assert read["blue"]["seen"] == {"address": "172.17.0.1", "port": 7880}


def elsewhere(host: Host) -> Stack:
    return Stack(host.client(), "shop", "", "agent", host.machine())


def test_a_server_elsewhere_is_none_of_the_stacks(host: Host) -> None:
    env = ["LIVEKIT_URL=wss://shop.livekit.cloud", *ENVIRONMENT[1:]]
    says = python(version={"version": "1.9.3", "node": "n"})
    host.leaves(worker(host, env=env, says=says), "172.18.0.98:4000", "161.1.1.1:443")
    read = elsewhere(host).read()
    assert read["server"] == {
        "name": "shop.livekit.cloud",
        "running": True,
        "version": "v1.9.3",
        "ours": False,
    }
    assert read["project_dir"] == "/srv/shop"
    assert read["blue"]["tls_host"] == "shop.livekit.cloud"


def test_behind_a_gateway_the_server_elsewhere_is_the_one_it_leads_to(host: Host) -> None:
    labels = ours("gateway") | {"releve.server": "wss://shop.livekit.cloud"}
    full = host.container("f", "shop-gateway", labels=labels)
    host.process(400, ["/opt/releve"], net="g", container=full, listens=["0.0.0.0:7890"])
    env = ["LIVEKIT_URL=ws://dispatch-gateway:7890", *ENVIRONMENT[1:]]
    host.connection(worker(host, env=env), "172.18.0.98:4000", "172.18.0.102:7890", 400)
    read = elsewhere(host).read()
    assert (read["server"]["name"], read["blue"]["adopted"]) == ("shop.livekit.cloud", True)


def test_an_agent_without_a_network_is_refused(host: Host) -> None:
    server(host)
    worker(host, networks={"none": ""})
    with pytest.raises(StackError, match="shop_agent has no network of its own; the gateway needs"):
        stack(host).read()


def test_of_several_networks_the_one_with_the_agent_counts(host: Host) -> None:
    server(host, networks={"a_database": "172.30.0.2", "shop_default": "172.18.0.97"})
    worker(host)
    read = stack(host).read()
    assert read["network"] == "shop_default"
    assert read["server"]["address"] == "172.18.0.97"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("ws://livekit:7880", None),
        ("http://livekit", None),
        ("wss://voice.example:7443", "voice.example"),
    ],
)
def test_for_which_host_the_agent_wants_a_certificate(
    host: Host, url: str, wanted: str | None
) -> None:
    running(host, env=[f"LIVEKIT_URL={url}", *ENVIRONMENT[1:]])
    blue = stack(host).read()["blue"]
    assert (blue["tls_host"], blue["not_live"]) == (wanted, None)


def test_keys_are_told_only_to_who_asks_for_them(host: Host) -> None:
    running(host)
    read = stack(host)
    assert read.keys() == ("APIk", SECRET)
    text = json.dumps(read.read())
    assert "APIk" not in text
    assert SECRET not in text


def test_keys_come_from_the_env_file_that_the_program_reads(host: Host) -> None:
    running(host, env=["PATH=/bin"], says=python(keys=["APIfile", "s" * 32]))
    assert stack(host).keys() == ("APIfile", "s" * 32)


@pytest.mark.parametrize(
    "env", [[], ["LIVEKIT_API_KEY=k"], ["LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET="]]
)
def test_an_agent_without_both_keys_has_none(host: Host, env: list[str]) -> None:
    running(host, env=env)
    assert stack(host).keys() is None


def test_a_worker_that_is_connected_to_the_server_is_told(host: Host) -> None:
    running(host)
    assert stack(host).direct()


def test_a_worker_without_a_connection_is_not_direct(host: Host) -> None:
    server(host)
    worker(host)
    assert not stack(host).direct()
