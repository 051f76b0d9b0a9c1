"""Stacks of other kinds than the demo's, from preflight through flip and rollback.

Each is a Compose project of the test's own, beside a demo that may be up. They are named after the
kinds of stacks that people run: everything on the host's network; a server that is none of the
project's, by wss, and several workers under one key.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from certificate import write_certificate
from e2e.harness import ROOT, Played, Stage, _until
from integration import harness
from module_utils.gateway import Gateway
from ports import free_port

KEYS = harness.Keys("APIstacks", "a-secret-of-the-test-alone-that-is-long")
BLUE = "eloquence-agent:blue-0.7.2"
QUICK: dict[str, Any] = {
    "agent_kinds": {"blue": "echo", "green": "echo"},
    "media_probe_limits": {
        "own_share_ms_max": 9000,
        "rtt_p95_ms_max": 9000,
        "valid_fraction_min": 0.3,
    },
    "rollout_schedule": [{"weight": 50, "seconds": 5}, {"weight": 100, "seconds": 5}],
    "backup_max_age_hours": 0,
}


@dataclass
class Project:
    """One stack: its Compose project, and how a playbook is told of it."""

    name: str
    folder: Path
    stage: Stage
    settings: dict[str, Any] = field(default_factory=dict)

    def play(self, playbook: str, **extra: Any) -> Played:
        settings = QUICK | {"stack": self.name} | self.settings | extra
        return self.stage.play(playbook, **settings)

    def compose(self, *words: str) -> None:
        command = ["docker-compose", "--project-name", self.name, *words]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def agents(self) -> dict[str, str]:
        """Which containers blue is, and since when: unchanged when nobody touched them."""
        label = [f"com.docker.compose.project={self.name}", "com.docker.compose.service=agent"]
        found = self.stage.docker.containers.list(filters={"label": label})
        return {one.name: one.attrs["State"]["StartedAt"] for one in found}

    def workers(self) -> list[str]:
        state = Gateway(f"/var/lib/releve/{self.name}/run/admin.sock").state()
        return sorted(worker["colour"] for worker in state["workers"])

    def await_registration(self, count: int) -> None:
        def registered() -> bool:
            there = [self.stage.docker.containers.get(name) for name in self.agents()]
            return sum(b"registered worker" in one.logs() for one in there) == count

        _until(registered, self.agents)

    def remove(self) -> None:
        # What an adoption on the host's network leaves for as long as blue runs.
        for rule in kept():
            subprocess.run(rule, check=True)
        engine = docker.from_env()
        for one in engine.containers.list(all=True, filters={"label": f"releve.stack={self.name}"}):
            one.remove(force=True)
        self.compose("down", "--volumes", "--timeout", "1")
        for place in (f"/var/lib/releve/{self.name}", f"/var/lib/releve-backup/{self.name}"):
            subprocess.run(["rm", "-rf", place], check=True)


def kept() -> list[list[str]]:
    """Commands that remove the rules of that name from the host's network."""
    found = []
    for tool in ("iptables", "ip6tables"):
        listed = subprocess.run(
            [tool, "-t", "nat", "-S", "OUTPUT"], capture_output=True, text=True, check=True
        ).stdout
        for line in listed.splitlines():
            if "releve-keeps-translation" in line:
                found.append([tool, "-t", "nat", "-D", *line.split()[1:]])
    return found


Up = Callable[..., Project]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    made: list[Project] = []

    def start(name: str, services: dict[str, Any], *options: str, **settings: Any) -> Project:
        (tmp_path / "stack").mkdir()
        project = Project(name, tmp_path / "stack", Stage(tmp_path), settings)
        text = yaml.safe_dump({"version": "2.4", "services": services})
        (project.folder / "docker-compose.yml").write_text(text)
        made.append(project)
        project.compose("up", "--detach", *options)
        return project

    yield start
    for project in made:
        project.remove()


def agent(url: str, **more: Any) -> dict[str, Any]:
    environment = {
        "LIVEKIT_URL": url,
        "LIVEKIT_API_KEY": KEYS.api_key,
        "LIVEKIT_API_SECRET": KEYS.secret,
    } | more.pop("environment", {})
    return {"image": BLUE, "environment": environment, "restart": "unless-stopped", **more}


def release(**changed: Any) -> dict[str, Any]:
    text = (ROOT / "inventories/demo/group_vars/eloquence/release.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["release"] | changed
    return found


def livekit(port: int, address: str = "127.0.0.1", *interfaces: str) -> dict[str, Any]:
    """Settings of a server that is reached at `address`, which one of the interfaces has."""
    rtc: dict[str, Any] = {
        "tcp_port": free_port(),
        "udp_port": free_port(),
        "use_external_ip": False,
        "node_ip": address,
        "use_ice_lite": True,
    } | ({"interfaces": {"includes": [*interfaces]}} if interfaces else {})
    return {"port": port, "keys": {KEYS.api_key: KEYS.secret}, "rtc": rtc}


def passed(run: Played) -> dict[str, Any]:
    assert run.code == 0, run.output
    assert run.report["run"]["verdict"] == "pass"
    calls = run.report["calls"]
    assert (calls["dropped"], calls["without_agent"], calls["with_two_agents"]) == (0, 0, 0)
    return run.report


def test_everything_on_the_hosts_network(up: Up, tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "livekit.yaml").write_text(yaml.safe_dump(livekit(port)))
    server = {
        "image": f"livekit/livekit-server:{harness.server_binary().parent.name}",
        "command": "--config /etc/livekit.yaml",
        "network_mode": "host",
        "volumes": [f"{tmp_path}/livekit.yaml:/etc/livekit.yaml:ro"],
    }
    url = f"ws://localhost:{port}"
    services = {"livekit": server, "agent": agent(url, network_mode="host")}
    ports = {"blue": free_port(), "green": free_port()}
    stack = up(
        "releve-e2e-host",
        services,
        server_url=url,
        dispatch_gateway_ports=ports,
        dispatch_gateway_metrics_port=free_port(),
        eloquence_agent_gateway=f"ws://127.0.0.1:{ports['green']}",
    )
    stack.await_registration(1)
    blue = stack.agents()
    own_port = {"LIVEKIT_KEYS_FILE": "/run/secrets/livekit_keys", "AGENT_PORT": free_port()}
    green = release(image=stack.stage.green_like("on_host"), environment=own_port)
    passed(stack.play("migrate.yml", release=green))
    assert stack.agents() == blue, "adopted live: nobody restarted it"
    assert stack.workers() == ["blue", "green"]
    ours = stack.stage.docker.containers.list(filters={"label": f"releve.stack={stack.name}"})
    assert {one.attrs["HostConfig"]["NetworkMode"] for one in ours} == {"host"}
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout
    there = {line.split()[3] for line in listening.splitlines()}
    for port in ports.values():
        assert {one for one in there if one.endswith(f":{port}")} <= {
            f"127.0.0.1:{port}",
            f"[::1]:{port}",
        }
    back = stack.play("rollback.yml")
    assert back.code == 0, back.output
    assert stack.agents() == blue


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server on this host that is no container, by wss; its URL and whom to trust."""
    bridge = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
    behind, port = free_port(), free_port()
    (tmp_path / "livekit.yaml").write_text(yaml.safe_dump(livekit(behind, bridge, "docker0")))
    cert, key = write_certificate(tmp_path, "voice.example")
    cert.chmod(0o644)
    started: list[harness.Process] = []
    binary: list[str | Path] = [harness.server_binary(), "--config", tmp_path / "livekit.yaml"]
    proxy: list[str | Path] = [sys.executable, ROOT / "tests/tls_proxy.py", "0.0.0.0"]
    try:
        started.append(harness.Process(binary, tmp_path / "server.out", dict(os.environ)))
        harness._await_answer(f"http://127.0.0.1:{behind}", started[0])
        command = [*proxy, str(port), str(behind), cert, key]
        started.append(harness.Process(command, tmp_path / "proxy.out", dict(os.environ)))
        _until(lambda: "listening" in started[1].log.read_text(), started[1].died)
        yield f"wss://voice.example:{port}", cert
    finally:
        for each in started:
            each.stop()


def test_a_server_elsewhere_by_wss_and_two_workers_under_one_key(
    up: Up, elsewhere: tuple[str, Path]
) -> None:
    url, trusted = elsewhere
    trust = {"environment": {"SSL_CERT_FILE": "/ca.pem"}, "volumes": [f"{trusted}:/ca.pem:ro"]}
    hosts = ["voice.example:host-gateway"]
    stack = up(
        "releve-e2e-elsewhere",
        {"agent": agent(url, extra_hosts=hosts, **trust)},
        "--scale=agent=2",
        server_service="",
        server_url=url,
        server_ca=str(trusted),
        dispatch_gateway_metrics_port=free_port(),
        release=release(),
    )
    stack.await_registration(2)
    before = stack.agents()
    live = stack.play("playbooks/preflight.yml", media_probe_chirps=6)
    assert live.code != 0
    assert "it speaks wss, and would refuse a gateway without a certificate" in live.last
    unknown = stack.play("playbooks/preflight.yml", adoption="restart", server_ca="")
    assert unknown.code != 0
    assert "the certificate that voice.example shows is not to be trusted" in unknown.last
    assert stack.agents() == before

    report = passed(stack.play("migrate.yml", adoption="restart"))
    server = report["versions"]["server"]
    assert (server["ours"], server["substitute"]) == (False, False)
    assert server["running"] == harness.server_binary().parent.name
    assert stack.agents().keys() == before.keys(), "restarted, as many as there were"
    assert stack.workers() == ["blue", "blue", "green", "green"]
    back = stack.play("rollback.yml")
    assert back.code == 0, back.output
    assert stack.workers() == ["blue", "blue", "green", "green"]
