"""What keeps a stack from being moved is said all at once; one that can be is an inventory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from module_utils.discovery.inventory import inventory_for
from module_utils.discovery.machine import Stack
from module_utils.discovery.obstacles import not_live, obstacles

from .recorded_host import ENVIRONMENT, FFI, SECRET, Host, compose, python, server, worker

NO_LABELS: dict[str, str] = {}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def plain(host: Host, server_is: dict[str, Any] | None = None, **agent_is: Any) -> Stack:
    """A stack of one server and one agent, that differs in what is given."""
    at = server(host, **(server_is or {}))
    host.connection(worker(host, **agent_is), "172.18.0.98:40000", "172.18.0.97:7880", at)
    return found(host)


def found(host: Host) -> Stack:
    (stack,) = host.machine().look().stacks
    return stack


def said(stack: Stack) -> str:
    return "\n".join(obstacles(stack, None))


def test_the_plain_stack_has_none(host: Host) -> None:
    assert obstacles(plain(host), None) == []


def test_two_networks_that_share_one_are_none(host: Host) -> None:
    both = {"other": "172.30.0.2", "shop_default": "172.18.0.97"}
    assert obstacles(plain(host, {"networks": both}), None) == []


@pytest.mark.parametrize(
    ("server_is", "agent_is", "sentence"),
    [
        ({}, {"labels": NO_LABELS}, "not yet: shop_agent has no labels of Compose"),
        (
            {},
            {"mode": "container:x", "networks": {}},
            "not yet: the agent shop_agent is on no network of its own; run it by Compose",
        ),
        (
            {"networks": {"x": "172.30.0.2"}},
            {"env": ["PATH=/"]},
            "where shop_agent reaches the server was found neither in its environment nor",
        ),
        ({}, {"says": lambda _: None}, "the agent shop_agent is not written in Python, or its"),
        (
            {},
            {"env": ["LIVEKIT_URL=ws://livekit:788O", *ENVIRONMENT[1:]]},
            "has a LIVEKIT_URL that is no address, 'ws://livekit:788O'; set it to ws://<host>",
        ),
    ],
)
def test_each_kind_that_cannot_be_moved_yet_says_why_and_what_to_change(
    host: Host, server_is: dict[str, Any], agent_is: dict[str, Any], sentence: str
) -> None:
    assert sentence in said(plain(host, server_is, **agent_is))


def test_all_is_said_at_once(host: Host) -> None:
    stack = plain(host, labels=NO_LABELS, says=lambda _: None)
    assert len(obstacles(stack, None)) == 2
    assert inventory_for(host.machine().look(), None, None, None)[1] == obstacles(stack, None)


@pytest.mark.parametrize(
    ("cgroup", "sentence"),
    [
        ("0::/system.slice/voice.service\n", "not yet: the agent is unit voice.service, and no"),
        ("0::/user.slice/session-3.scope\n", "not yet: the agent is process 600 (python agent.py)"),
        ("0::/kubepods.slice/pod1/cri\n", "the agent python3.12 runs in Kubernetes, which Relève"),
    ],
)
def test_an_agent_that_is_no_container(host: Host, cgroup: str, sentence: str) -> None:
    argv = ["/venv/bin/python", "agent.py", "start"]
    own = {"exe": "/usr/bin/python3.12", "maps": [FFI], "env": ENVIRONMENT, "cgroup": cgroup}
    host.process(600, argv, listens=["0.0.0.0:8081"], **own)
    host.answer(600, 8081, "/", 200, "OK")
    host.connection(600, "172.18.0.1:4000", "172.18.0.97:7880", server(host))
    assert sentence in said(found(host))


def test_a_server_in_kubernetes_is_refused_with_what_its_chart_offers(host: Host) -> None:
    cgroup = "0::/kubepods/burstable/pod1/x\n"
    host.process(100, ["/bin/livekit-server"], cgroup=cgroup, listens=["[::]:7880"])
    host.answer(100, 7880, "/rtc/validate", 401, "no permissions")
    host.connection(worker(host), "172.18.0.98:40000", "172.18.0.97:7880", 100)
    assert "which Relève does not steer: LiveKit's Helm chart" in said(found(host))


def written(host: Host) -> dict[str, Any]:
    text, refused = inventory_for(host.machine().look(), None, None, None)
    assert refused == [] and text is not None
    read: dict[str, Any] = yaml.safe_load(text)
    return read


ON_HOST: dict[str, Any] = {"mode": "host", "networks": {"host": ""}, "net": "host"}


def speaks(url: str) -> dict[str, Any]:
    return {"env": [f"LIVEKIT_URL={url}", *ENVIRONMENT[1:]]}


@pytest.mark.parametrize(
    ("server_is", "agent_is", "service", "url", "adoption"),
    [
        # 7: everything on the host's network; 8: by the public name; 9: the agent on a bridge
        (
            ON_HOST,
            ON_HOST | speaks("ws://localhost:7880"),
            "livekit",
            "ws://localhost:7880",
            "live",
        ),
        (
            ON_HOST,
            ON_HOST | speaks("wss://voice.example"),
            "livekit",
            "ws://127.0.0.1:7880",
            "restart",
        ),
        (ON_HOST, speaks("ws://10.0.0.5:7880"), "livekit", "ws://10.0.0.5:7880", "live"),
        # Networks or projects that are not the same: by the URL that the agent has.
        (
            {},
            {"networks": {"voice": "172.30.0.2"}} | speaks("ws://x:1"),
            "livekit",
            "ws://x:1",
            "live",
        ),
        ({}, {"labels": compose("agent", "voice")}, "", "ws://livekit:7880", "live"),
        ({"labels": {}}, {}, "", "ws://livekit:7880", "live"),
    ],
)
def test_a_server_anywhere_needs_no_more_than_its_url(
    host: Host,
    server_is: dict[str, Any],
    agent_is: dict[str, Any],
    service: str,
    url: str,
    adoption: str,
) -> None:
    plain(host, server_is, **agent_is)
    read = written(host)
    assert (read["server_service"], read["server_url"], read["adoption"]) == (
        service,
        url,
        adoption,
    )
    assert ("livekit_server_version" in read) is (service == "livekit")
    assert read["stack"] == agent_is.get("labels", compose("agent"))["com.docker.compose.project"]


def test_a_bare_server_is_none_of_the_projects(host: Host) -> None:
    cgroup = "0::/system.slice/livekit.service\n"
    host.process(100, ["/bin/livekit-server"], cgroup=cgroup, listens=["[::]:7880"])
    host.answer(100, 7880, "/rtc/validate", 401, "no permissions")
    agent = worker(host, **speaks("ws://172.17.0.1:7880"))
    host.connection(agent, "172.18.0.98:40000", "172.17.0.1:7880", 100)
    read = written(host)
    assert (read["server_service"], read["server_url"]) == ("", "ws://172.17.0.1:7880")


def test_a_server_on_another_host_or_livekits_cloud(host: Host) -> None:
    agent = worker(host, **speaks("wss://shop.livekit.cloud"))
    host.leaves(agent, "172.18.0.98:4000", "161.1.1.1:443")
    read = written(host)
    assert (read["stack"], read["server_service"]) == ("shop", "")
    assert (read["server_url"], read["adoption"]) == ("wss://shop.livekit.cloud", "restart")
    assert "livekit_server_version" not in read


def test_server_and_agent_in_one_container_cannot_be_told_apart(host: Host) -> None:
    at = server(host)
    own = {"net": "shop_livekit", "container": "a" * 64, "exe": "/usr/bin/python3"}
    host.process(110, ["python", "agent.py"], maps=[FFI], listens=["0.0.0.0:8081"], **own)
    host.answer(110, 8081, "/", 200, "OK")
    host.connection(110, "127.0.0.1:4000", "127.0.0.1:7880", at)
    assert "run in one container, shop_livekit, and cannot be moved apart: make them two" in said(
        found(host)
    )


def several(host: Host, *names: str | None) -> Stack:
    at = server(host)
    for number, name in enumerate(names):
        where = f"shop_agent{number}"
        pid = worker(
            host, 200 + 10 * number, "bcde"[number], where, agent_name=name, labels=compose(where)
        )
        host.connection(pid, f"172.18.0.{98 + number}:40000", "172.18.0.97:7880", at)
    return found(host)


def test_workers_of_one_key_are_moved_together(host: Host) -> None:
    stack = several(host, "", "")
    assert obstacles(stack, None) == []
    assert written(host)["agent_service"] in ("shop_agent0", "shop_agent1")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (
            ("coach", "coach", "x"),
            "several agents with names of their own (shop_agent0, shop_agent1",
        ),
        ((None, "coach"), "that do not tell their names, so maybe under one key"),
    ],
)
def test_workers_that_may_share_a_key_are_moved_all_or_none(
    host: Host, names: tuple[str | None, ...], sentence: str
) -> None:
    assert sentence in said(several(host, *names))


def test_of_several_names_one_is_to_be_said(host: Host) -> None:
    stack = several(host, "coach", "tutor")
    (sentence,) = obstacles(stack, None)
    assert sentence.endswith("-e agent_service=<shop_agent0|shop_agent1>")
    assert obstacles(stack, None, "shop_agent1") == []
    text, _ = inventory_for(host.machine().look(), None, None, "shop_agent1")
    assert text is not None
    assert yaml.safe_load(text)["agent_name"] == "tutor"


def test_an_agent_service_that_nobody_is_of_is_told(host: Host) -> None:
    assert obstacles(plain(host), None, "coach") == [
        "no worker of the service coach is connected; found: agent"
    ]


@pytest.mark.parametrize(
    ("env", "seen", "sentence"),
    [
        (ENVIRONMENT, None, None),
        (["LIVEKIT_URL=ws://host.docker.internal:7880", *ENVIRONMENT[1:]], "172.17.0.1:7880", None),
        (["LIVEKIT_URL=ws://host:7880", *ENVIRONMENT[1:]], "[fd00::1]:7880", "the server by IPv6"),
        (["LIVEKIT_URL=wss://voice.example", *ENVIRONMENT[1:]], None, "it speaks wss"),
    ],
)
def test_an_agent_that_can_only_be_adopted_by_a_restart(
    host: Host, env: list[str], seen: str | None, sentence: str | None
) -> None:
    at, blue = server(host), worker(host, env=env)
    host.connection(blue, "172.18.0.98:4000", "172.18.0.97:7880", at, seen)
    stack = found(host)
    why = not_live(stack.workers[0])
    assert why == sentence if sentence is None else sentence in (why or "")
    text, refused = inventory_for(host.machine().look(), None, None, None)
    assert refused == []
    assert yaml.safe_load(text or "")["adoption"] == ("live" if sentence is None else "restart")


def test_the_inventory_says_where_each_line_was_read(host: Host) -> None:
    plain(host, agent_name="coach")
    text, refused = inventory_for(host.machine().look(), None, None, None)
    assert refused == [] and text is not None
    assert yaml.safe_load(text) == {
        "stack": "shop",
        "server_service": "livekit",
        "agent_service": "agent",
        "server_port": 7880,
        "livekit_server_version": "v1.9.0",
        "agent_name": "coach",
        "adoption": "live",
    }
    assert all("#" in line for line in text.splitlines()[1:])
    assert "APIk" not in text and SECRET not in text


def test_what_a_container_says_is_never_a_template_of_the_control_nodes(host: Host) -> None:
    evil = "{{ lookup('pipe', 'id') }}"
    file = {"path": "/x\nansible_connection: local", "names": [], "url": "ws://livekit:7880/\nx: 1"}
    plain(host, agent_name=evil, env=["PATH=/"], says=python(dotenv=file))
    text, _ = inventory_for(host.machine().look(), None, None, None)
    assert text is not None
    assert f"agent_name: !unsafe {json.dumps(evil)} #" in text
    names = {line.split(":")[0] for line in text.splitlines() if not line.startswith(("#", "-"))}
    assert "ansible_connection" not in names and "x" not in names


def test_of_two_stacks_one_is_to_be_said(host: Host) -> None:
    server(host)
    server(host, 150, "d", "bar_livekit", labels=compose("livekit", "bar"))
    looked = host.machine().look()
    assert inventory_for(looked, None, None, None)[1] == [
        "2 stacks run here: say which is meant, -e stack=<bar|shop>"
    ]
    assert inventory_for(looked, None, "foo", None)[1] == [
        "no stack foo runs here; found: bar, shop"
    ]
    assert inventory_for(looked, None, "bar", None)[1] == [
        "no agent's worker is connected to bar_livekit: start the agent, and look again"
    ]


def test_a_host_without_a_stack_and_one_whose_server_is_stopped(host: Host) -> None:
    host.process(7, ["/bin/x"])
    assert (
        "no LiveKit Server and no agent runs"
        in inventory_for(host.machine().look(), None, None, None)[1][0]
    )
    host.container("a", "shop_livekit", running=False, path="/livekit-server")
    (sentence,) = inventory_for(host.machine().look(), None, None, None)[1]
    assert (
        sentence == "container shop_livekit on shop_default does not run: start it, and look again"
    )


def test_without_docker_the_sentence_and_no_installation(host: Host) -> None:
    host.process(100, ["/bin/livekit-server"], listens=["[::]:7880"])
    (stack,) = host.machine(engine=False).look().stacks
    wrong = obstacles(stack, "no Docker Engine answers on this host")
    assert [one for one in wrong if one.startswith("no Docker Engine answers on this host: Rel")]
