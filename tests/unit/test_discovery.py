"""What runs on a host is found by what it does, from recorded facts of kernel and engine."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from module_utils.discovery.machine import Stack
from module_utils.discovery.page import page
from module_utils.discovery.processes import Processes
from module_utils.discovery.sockets import End, Sockets, http_get

from .recorded_host import (
    ENVIRONMENT,
    FFI,
    PACKAGES,
    SECRET,
    Host,
    compose,
    python,
    server,
    worker,
)

A, B = "a" * 64, "b" * 64


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def only(host: Host) -> Stack:
    (stack,) = host.machine().look().stacks
    return stack


@pytest.mark.parametrize(
    ("cgroup", "container", "unit"),
    [
        (f"0::/system.slice/docker-{A}.scope\n", A, None),
        (f"9:name=systemd:/docker/{A}\n0::/docker/{A}\n", A, None),
        (f"0::/docker/{A}/docker/{B}\n", B, None),
        (f"4:memory:/docker/{A}\n0::/\n", A, None),
        (f"0::/machine.slice/libpod-{A}.scope/container\n", A, None),
        ("0::/system.slice/voice-agent.service\n", None, "voice-agent.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", None, None),
        ("0::/user.slice/user@1.service/app.slice/term.scope\n", None, None),
        ("0::/\n", None, None),
    ],
)
def test_the_kernel_tells_container_and_unit(
    host: Host, cgroup: str, container: str | None, unit: str | None
) -> None:
    host.process(7, ["/bin/x"], cgroup=cgroup)
    process = host.machine().processes[7]
    assert (process.container, process.unit) == (container, unit)


def test_a_process_that_ended_or_is_the_kernels_own_is_left_out(host: Host) -> None:
    host.process(7, ["/bin/x"])
    host.process(8, ["/bin/y"])
    (host.proc / "8/stat").unlink()
    host.process(9, ["/bin/z"])
    (host.proc / "9/cmdline").write_bytes(b"")
    assert [one.pid for one in host.machine().processes] == [7]


def test_addresses_are_read_as_the_kernel_writes_them(host: Host) -> None:
    host.process(7, ["/bin/x"], listens=["[::1]:80", "0.0.0.0:81", "[::ffff:172.18.0.2]:82"])
    processes = host.machine().processes
    ends = Sockets(processes).listening(processes[7])
    assert [str(end) for end in ends] == ["[::1]:80", "0.0.0.0:81", "172.18.0.2:82"]


def test_whoever_says_a_byte_now_and_then_is_not_listened_to_for_ever() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as drips:

        def drip() -> None:
            with drips.accept()[0] as peer:
                while not over.wait(0.02):
                    peer.sendall(b"H")

        speaking = threading.Thread(target=drip, daemon=True)
        speaking.start()
        try:
            end = End("127.0.0.1", drips.getsockname()[1])
            assert http_get(os.getpid(), end, "/", seconds=0.1) is None
        finally:
            over.set()


def test_a_worker_belongs_to_the_server_that_holds_its_other_end(host: Host) -> None:
    host.connection(worker(host), "172.18.0.98:40000", "172.18.0.97:7880", server(host))
    found = host.machine().look()
    (stack,) = found.stacks
    assert found.unconnected == (), "its jobs inherit its port, and are no workers"
    assert (stack.name, stack.server.name, stack.server.port) == ("shop", "shop_livekit", 7880)
    (agent,) = stack.workers
    assert (agent.place.name, agent.agent_name, agent.jobs) == ("shop_agent", "", 1)
    assert agent.packages == PACKAGES
    assert agent.settings.url == "ws://livekit:7880"


def test_a_servers_version_is_that_of_the_program_and_never_an_entrypoints(host: Host) -> None:
    host.connection(worker(host), "172.18.0.98:40000", "172.18.0.97:7880", server(host))
    assert only(host).server.version == "v1.9.0"
    asked = [argv for name, argv in host.ran if name == "shop_livekit"]
    assert asked == [["/livekit-server", "--version"]]


def test_a_server_of_another_name_is_found_by_its_worker_and_says_its_version_to_one(
    host: Host,
) -> None:
    full = host.container("a", "shop_livekit", path="/bin/sh")
    host.process(100, ["/srv/bin/media"], net="s", container=full, listens=["0.0.0.0:7880"])
    host.answer(100, 7880, "/rtc/validate", 401, "no permissions")
    says = python(version={"version": "1.9.1-fork{{x}}", "node": "ND_1"})
    host.connection(worker(host, says=says), "172.18.0.98:40000", "172.18.0.97:7880", 100)
    read = only(host).server
    assert (read.version, read.version_from) == ("v1.9.1-fork", "its answer to a worker")
    assert not [argv for name, argv in host.ran if name == "shop_livekit"]


def test_of_a_proxy_and_a_server_of_another_name_the_one_behind_is_the_server(host: Host) -> None:
    host.process(100, ["/srv/media"], listens=["127.0.0.1:7880"])
    host.process(101, ["/usr/bin/haproxy"], listens=["0.0.0.0:80"])
    for pid, port in ((100, 7880), (101, 80)):
        host.answer(pid, port, "/rtc/validate", 401, "no permissions")
    host.connection(101, "127.0.0.1:4000", "127.0.0.1:7880", 100)
    host.connection(worker(host), "172.18.0.98:40000", "172.18.0.1:80", 101)
    machine = host.machine()
    assert machine.servers == {100}
    (agent,) = machine.look().stacks[0].workers
    assert agent.route is not None and [one.pid for one in agent.route.through] == [101]


def test_a_worker_behind_the_gateway_is_of_the_gateways_server(host: Host) -> None:
    """An adopted worker sees the server's address, and is connected to the gateway."""
    at, blue = server(host), worker(host)
    labels = {"releve.stack": "shop", "releve.colour": "gateway"}
    full = host.container("f", "shop-gateway", labels=labels)
    host.process(300, ["/opt/releve"], net="g", container=full, listens=["0.0.0.0:7890"])
    host.connection(300, "172.18.0.103:50000", "172.18.0.97:7880", at)
    host.connection(blue, "172.18.0.98:4000", "172.18.0.103:7890", 300, seen="172.18.0.97:7880")
    machine = host.machine()
    (stack,) = machine.look().stacks
    assert [machine.behind_gateway(agent) for agent in stack.workers] == [True]
    assert stack.server.process is not None and stack.server.process.pid == at


def test_proxies_are_looked_through(host: Host) -> None:
    """By the host's name to nginx, whose worker leads on to Docker's proxy of a published port."""
    at = server(host)
    host.process(400, ["nginx: master"], exe="/usr/sbin/nginx", listens=["0.0.0.0:443"])
    host.process(401, ["nginx: worker"], parent=400, exe="/usr/sbin/nginx", inherits=400)
    host.process(402, ["docker-proxy"], exe="/usr/bin/docker-proxy", listens=["0.0.0.0:7880"])
    blue = worker(host, env=[f"LIVEKIT_URL=wss://voice.example{'/'}", *ENVIRONMENT[1:]])
    host.connection(blue, "172.18.0.98:4000", "10.0.0.5:443", 401)
    host.connection(401, "127.0.0.1:4001", "127.0.0.1:7880", 402)
    host.connection(402, "172.18.0.1:4002", "172.18.0.97:7880", at)
    stack = only(host)
    route = stack.workers[0].route
    assert route is not None and route.known
    assert [one.program for one in route.through] == ["nginx", "docker-proxy"]
    assert stack.name == "shop"


def test_loopback_of_one_namespace_is_not_that_of_another(host: Host) -> None:
    """A worker and a server with the same address and ports in two namespaces."""
    one = host.process(500, ["/bin/other"], net="x", listens=["127.0.0.1:7880"])
    host.answer(one, 7880, "/rtc/validate", 401, "no permissions")
    host._row(one, "x", "127.0.0.1:7880", "127.0.0.1:40000", "01")
    host.leaves(worker(host), "127.0.0.1:40000", "127.0.0.1:7880")
    machine = host.machine()
    assert machine.servers == set()


def test_on_the_hosts_network_server_and_unit_find_each_other(host: Host) -> None:
    at = server(host, mode="host", networks={"host": ""}, net="host", at="127.0.0.1:7880")
    unit = {"cgroup": "0::/system.slice/voice.service\n", "env": ENVIRONMENT}
    argv = ["/app/.venv/bin/python", "agent.py", "start"]
    host.process(600, argv, exe="/usr/bin/python3", maps=[FFI], listens=["[::]:8081"], **unit)
    host.answer(600, 8081, "/", 200, "OK")
    host.process(601, ["caddy"], exe="/usr/bin/caddy", listens=["0.0.0.0:443"])
    host.connection(600, "127.0.0.1:4000", "127.0.0.1:7880", at)
    host.connection(601, "127.0.0.1:4001", "127.0.0.1:7880", at)
    stack = only(host)
    (agent,) = stack.workers
    assert (agent.place.kind, agent.place.name, agent.agent_name) == ("unit", "voice.service", None)
    assert stack.server.place is not None and stack.server.place.on_host_network


def test_in_dev_mode_the_worker_is_the_child_that_answers(host: Host) -> None:
    argv = ["/venv/bin/python", "agent.py", "dev", "--api-secret", SECRET]
    own = {"exe": "/usr/bin/python3", "maps": [FFI], "env": ENVIRONMENT}
    host.process(600, argv, **own)
    host.process(601, argv, parent=600, listens=["0.0.0.0:35123"], **own)
    host.answer(601, 35123, "/", 200, "OK")
    host.connection(601, "172.18.0.1:4000", "172.18.0.97:7880", server(host))
    (agent,) = only(host).workers
    assert (agent.process.pid, str(agent.place)) == (601, "process 601 (python agent.py)")


def test_a_program_that_joins_rooms_by_itself_is_no_worker(host: Host) -> None:
    at, blue = server(host), worker(host)
    host.connection(blue, "172.18.0.98:4000", "172.18.0.97:7880", at)
    full = host.container("c", "shop_bot", says=python({"livekit": "0.11.1"}))
    own = {"net": "bot", "container": full, "exe": "/usr/bin/python3", "maps": [FFI]}
    host.process(700, ["python", "bot.py"], listens=["172.18.0.99:33000"], **own)
    host.connection(700, "172.18.0.99:4000", "172.18.0.97:7880", at)
    stack = only(host)
    assert [agent.place.name for agent in stack.workers] == ["shop_agent"]
    assert [bot.place.name for bot in stack.bots] == ["shop_bot"]
    assert "172.18.0.99:33000" not in host.requests, "a port for media never answers"


def test_relèves_own_probes_are_no_agents(host: Host) -> None:
    at = server(host)
    labels = {"releve.stack": "shop", "releve.colour": "sentinels"}
    full = host.container("c", "shop-sentinels", labels=labels)
    own = {"net": "c", "container": full, "exe": "/usr/bin/python3", "maps": [FFI]}
    host.process(700, ["python", "/opt/releve/bin/releve", "probe"], **own)
    host.connection(700, "172.18.0.99:4000", "172.18.0.97:7880", at)
    assert only(host).bots == ()


def test_sip_and_egress_are_neither_agents_nor_bots(host: Host) -> None:
    at = server(host)
    there = [
        {"room": "a", "identity": "caller", "kind": "SIP"},
        {"room": "a", "identity": "agent-1", "kind": "AGENT"},
        {"room": "b", "identity": "rec", "kind": "EGRESS"},
    ]
    host.connection(
        worker(host, says=python(rooms=there)), "172.18.0.98:4000", "172.18.0.97:7880", at
    )
    for number, program in enumerate(("livekit-sip", "egress")):
        full = host.container("cd"[number], f"shop_{program}", labels=compose(program))
        host.process(800 + number, [f"/bin/{program}"], net=program, container=full)
        host.connection(800 + number, f"172.18.0.99:500{number}", "172.18.0.97:7880", at)
    machine = host.machine()
    found = machine.look()
    assert [(len(one.workers), one.bots) for one in found.stacks] == [(1, ())]
    text = "\n".join(page(machine, found, None, None))
    assert "SIP     container shop_livekit-sip on shop_default" in text
    assert "egress  container shop_egress on shop_default" in text
    assert "Now in 2 rooms: 1 AGENT, 1 EGRESS, 1 SIP." in text
    assert text.endswith("Can be moved.")


def test_a_server_on_another_host_is_known_by_the_url(host: Host) -> None:
    env = ["LIVEKIT_URL=wss://user:pw@shop.livekit.cloud?x=1", *ENVIRONMENT[1:]]
    says = python(version={"version": "1.9.4", "node": "ND_1"})
    host.leaves(worker(host, env=env, says=says), "172.18.0.98:4000", "161.1.1.1:443")
    stack = only(host)
    assert stack.server.url == "wss://shop.livekit.cloud"
    assert (stack.server.place, stack.server.version) == (None, "v1.9.4")


def test_url_and_keys_are_read_from_the_env_file_that_the_program_reads(host: Host) -> None:
    names = ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "LIVEKIT_URL"]
    file = {"path": "/app/.env", "names": names, "url": "ws://livekit:7880"}
    blue = worker(host, env=["PATH=/bin"], says=python(dotenv=file))
    host.connection(blue, "172.18.0.98:4000", "172.18.0.97:7880", server(host))
    read = only(host).workers[0].settings
    assert (read.url, read.url_from, read.keys_from) == (
        "ws://livekit:7880",
        "/app/.env",
        "/app/.env",
    )


def test_two_stacks_are_told_apart(host: Host) -> None:
    host.connection(worker(host), "172.18.0.98:4000", "172.18.0.97:7880", server(host))
    net = {"bar_default": "172.19.0.2"}
    other = server(host, 150, "d", "bar_livekit", networks=net, labels=compose("livekit", "bar"))
    agent = worker(host, 250, "e", "bar_agent", networks=net, labels=compose("agent", "bar"))
    host.connection(agent, "172.19.0.3:4000", "172.19.0.2:7880", other)
    found = {one.name: one for one in host.machine().look().stacks}
    assert {name: one.workers[0].place.name for name, one in found.items()} == {
        "shop": "shop_agent",
        "bar": "bar_agent",
    }


def test_nothing_at_all_and_a_server_that_is_stopped(host: Host) -> None:
    host.process(7, ["/bin/x"])
    nothing = host.machine().look()
    assert (nothing.stacks, nothing.stopped) == ((), ())
    host.container("a", "shop_livekit", running=False, image="livekit/livekit-server:latest")
    host.container("b", "shop_web", running=False)
    assert [place.name for place in host.machine().look().stopped] == ["shop_livekit"]


def test_without_an_engine_processes_are_found_all_the_same(host: Host) -> None:
    host.connection(worker(host), "172.18.0.98:4000", "172.18.0.97:7880", server(host))
    (stack,) = host.machine(engine=False).look().stacks
    assert stack.server.place is not None and not stack.server.place.known
    assert stack.workers[0].packages is None


def test_what_is_in_a_sandbox_that_no_engine_here_knows_is_never_run_on_the_host(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program would have the host's rights instead of the sandbox's."""

    def ran(*_: object, **__: object) -> None:
        raise AssertionError("nothing of it is to be run")

    monkeypatch.setattr("subprocess.run", ran)
    host.connection(worker(host), "172.18.0.98:4000", "172.18.0.97:7880", server(host))
    host.process(800, ["/bin/livekit-server"], cgroup="0::/kubepods/pod1/x\n", net="p")
    host.process(801, ["/bin/livekit-server"], cgroup="0::/lxc/box\n", net="q")
    (host.proc / "801/root").unlink()
    (host.proc / "801/root").symlink_to(host.proc.parent / "image")
    found = host.machine(engine=False).look()
    assert {one.server.version for one in found.stacks} == {None}
    kinds = {one.server.place.kind for one in found.stacks if one.server.place}
    assert kinds == {"container", "pod"}


def test_no_secret_is_on_the_page(host: Host) -> None:
    host.connection(worker(host), "172.18.0.98:4000", "172.18.0.97:7880", server(host))
    machine = host.machine()
    text = "\n".join(page(machine, machine.look(), None, None))
    assert "keys from its environment" in text
    assert "APIk" not in text
    assert SECRET not in text
    assert SECRET not in str(host.ran)


def test_unreadable_processes_are_counted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.process(7, ["/bin/x"])

    def denied(path: Path) -> None:
        raise PermissionError

    monkeypatch.setattr("module_utils.discovery.processes._process", denied)
    assert Processes(host.proc).unreadable == [7]
