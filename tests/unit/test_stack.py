"""Reading the running stack, from a stand-in for the Docker client."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.interpreter import Interpreter
from module_utils.stack import Stack, StackError

KEY, SECRET = "APIkey123", "a-secret-that-nobody-may-read"
COMPOSE = "com.docker.compose"


def container(
    name: str, labels: dict[str, str], said: str | None = None, **changed: Any
) -> SimpleNamespace:
    """A container as docker-py shows it; `said` is what any command inside it prints."""
    running = changed.get("running", True)
    networks = changed.get("networks", {"eloquence_default": f"172.18.0.{len(name)}"})

    def exec_run(argv: list[str], stderr: bool = True, **how: Any) -> tuple[int, bytes]:
        assert running, "Docker refuses to run a command in a container that is not running"
        if argv[0] in changed.get("others", ()):  # a Python that is not the worker's
            return 0, b"{}"
        noise = "warning: something is old\n" if stderr else ""
        return (126, b"no such file") if said is None else (0, (noise + said).encode())

    return SimpleNamespace(
        id=f"id-{name}",
        name=name,
        labels=labels,
        exec_run=exec_run,
        attrs={
            "Path": "/livekit-server",
            "Image": f"sha256:{name}",
            "State": {"Running": running, "Pid": 4242 if running else 0},
            "Config": {"Image": f"{name}:1", "Env": changed.get("env", ["PATH=/usr/bin"])},
            "NetworkSettings": {
                "Networks": {net: {"IPAddress": address} for net, address in networks.items()}
            },
        },
    )


def service(name: str, project: str = "eloquence") -> dict[str, str]:
    return {
        f"{COMPOSE}.project": project,
        f"{COMPOSE}.service": name,
        f"{COMPOSE}.project.working_dir": "/srv/eloquence",
    }


def ours(colour: str) -> dict[str, str]:
    return {"releve.stack": "eloquence", "releve.colour": colour, "maintainer": "nobody"}


def server(**changed: Any) -> SimpleNamespace:
    said = changed.pop("said", "livekit-server version 1.9.1\n")
    return container("eloquence-livekit-1", service("livekit"), said, **changed)


def agent(name: str = "eloquence-agent-1", **changed: Any) -> SimpleNamespace:
    env = [f"LIVEKIT_API_KEY={KEY}", f"LIVEKIT_API_SECRET={SECRET}"]
    env.append(f"LIVEKIT_URL={changed.pop('url', 'ws://livekit:7880')}")
    said = changed.pop("said", json.dumps({"livekit-agents": "0.7.2", "livekit": "0.11.1"}))
    labels = changed.pop("labels", service("agent"))
    return container(name, labels, said, **({"env": env} | changed))


WORKER = Interpreter("/app/.venv/bin/python", "/app", "10001:10001", {"VIRTUAL_ENV": "/app/.venv"})


def stack(*containers: SimpleNamespace, pythons: Sequence[Interpreter] = (WORKER,)) -> Stack:
    def listed(filters: dict[str, list[str]], all: bool = False) -> list[SimpleNamespace]:
        wanted = [label.partition("=")[::2] for label in filters["label"]]
        return [
            item
            for item in containers
            if (all or item.attrs["State"]["Running"]) and all_match(item.labels, wanted)
        ]

    def volumes(filters: dict[str, str]) -> list[SimpleNamespace]:
        assert filters == {"label": f"{COMPOSE}.project=eloquence"}
        return [SimpleNamespace(name="eloquence_data", attrs={"Mountpoint": "/var/lib/v/_data"})]

    client = SimpleNamespace(
        containers=SimpleNamespace(list=listed), volumes=SimpleNamespace(list=volumes)
    )
    return Stack(client, "eloquence", "livekit", "agent", lambda pid: pythons)


def all_match(labels: dict[str, str], wanted: list[Any]) -> bool:
    return all(labels.get(name) == value for name, value in wanted)


def test_server_and_agent_are_found_by_their_compose_labels() -> None:
    strangers = (
        container("other-livekit-1", service("livekit", "other")),
        container("other-agent-1", service("agent", "other")),
        container("redis", service("redis")),
        container("their-green", ours("green") | {"releve.stack": "other"}),
    )
    read = stack(*strangers, server(), agent()).read()
    assert read["server"]["name"] == "eloquence-livekit-1"
    assert read["blue"]["name"] == "eloquence-agent-1"
    assert (read["green"], read["gateway"], read["sentinels"]) == (None, None, None)
    assert read["network"] == "eloquence_default"
    assert read["project_dir"] == "/srv/eloquence"
    assert read["volumes"] == [{"name": "eloquence_data", "path": "/var/lib/v/_data"}]


def test_an_address_of_the_server_that_is_none_is_refused_by_a_sentence() -> None:
    with pytest.raises(StackError, match="eloquence-agent-1 has a LIVEKIT_URL that is no address"):
        stack(server(), agent(url="ws://livekit:788O")).read()


def test_versions_are_those_that_run_and_warnings_do_not_spoil_them() -> None:
    read = stack(server(), agent()).read()
    assert read["server"]["version"] == "v1.9.1"
    assert read["blue"]["packages"] == {"livekit-agents": "0.7.2", "livekit": "0.11.1"}


def test_versions_that_cannot_be_asked_are_unknown() -> None:
    read = stack(server(said=None), agent(said=None)).read()
    assert (read["server"]["version"], read["blue"]["packages"]) == (None, None)


def test_a_python_without_livekit_agents_tells_nothing_of_the_worker() -> None:
    supervisor = Interpreter("/usr/bin/python3", "/", "0:0", {})
    blue = agent(others=["/usr/bin/python3"])
    read = stack(server(), blue, pythons=[supervisor, WORKER]).read()
    assert read["blue"]["packages"] == {"livekit-agents": "0.7.2", "livekit": "0.11.1"}
    assert stack(server(), blue, pythons=[supervisor]).read()["blue"]["packages"] is None


def test_relèves_own_containers_are_found_even_when_they_do_not_run() -> None:
    green = agent("eloquence-agent-green", labels=ours("green"), running=False)
    gateway = container("eloquence-gateway", ours("gateway"))
    read = stack(server(), agent(), green, gateway).read()
    assert (read["green"]["running"], read["green"]["packages"]) == (False, None)
    assert read["gateway"]["address"] == "172.18.0.17"
    assert read["gateway"]["labels"] == {"releve.stack": "eloquence", "releve.colour": "gateway"}


def test_two_agents_are_refused_by_name() -> None:
    with pytest.raises(StackError, match=r"runs 2 times \(a-1, a-2\); scale it to one"):
        stack(server(), agent("a-2"), agent("a-1")).read()


@pytest.mark.parametrize("present", [[], [server(running=False)]])
def test_without_a_running_server_the_settings_to_change_are_named(
    present: list[SimpleNamespace],
) -> None:
    with pytest.raises(StackError, match="service livekit in compose project eloquence; start it"):
        stack(*present, agent()).read()


def test_a_stack_without_an_agent_is_no_error() -> None:
    read = stack(server())
    assert read.read()["blue"] is None
    assert read.keys() is None


@pytest.mark.parametrize("networks", [{"host": ""}, {"none": ""}, {}])
def test_a_server_without_a_network_of_its_own_is_refused(networks: dict[str, str]) -> None:
    with pytest.raises(StackError, match="bridge network"):
        stack(server(networks=networks), agent()).read()


def test_of_several_networks_the_one_with_the_agent_counts() -> None:
    both = {"a_database": "172.30.0.2", "eloquence_default": "172.18.0.2"}
    read = stack(server(networks=both), agent()).read()
    assert read["network"] == "eloquence_default"
    assert read["server"]["address"] == "172.18.0.2"


def test_server_and_agent_on_different_networks_are_refused() -> None:
    with pytest.raises(StackError, match="eloquence-agent-1 share no Docker network"):
        stack(server(), agent(networks={"host": ""})).read()


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("ws://livekit:7880", "ws", "livekit", 7880),
        ("http://livekit", "http", "livekit", 80),
        ("wss://voice.example", "wss", "voice.example", 443),
    ],
)
def test_the_agents_url_is_taken_apart(url: str, scheme: str, host: str, port: int) -> None:
    blue = stack(server(), agent(url=url)).read()["blue"]
    assert (blue["scheme"], blue["server_host"], blue["server_port"]) == (scheme, host, port)


def test_keys_are_told_only_to_who_asks_for_them() -> None:
    green = agent("eloquence-agent-green", labels=ours("green"))
    read = stack(server(), agent(), green)
    assert read.keys() == (KEY, SECRET)
    text = json.dumps(read.read())
    assert KEY not in text
    assert SECRET not in text


@pytest.mark.parametrize(
    "env", [None, [], [f"LIVEKIT_API_KEY={KEY}"], [f"LIVEKIT_API_KEY={KEY}", "LIVEKIT_API_SECRET="]]
)
def test_an_environment_without_both_keys_has_none(env: list[str] | None) -> None:
    assert stack(server(), agent(env=env)).keys() is None
