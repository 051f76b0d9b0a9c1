"""Discovery on real processes and containers: what runs is found, whatever started it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from integration import harness
from module_utils.discovery.inventory import inventory_for
from module_utils.discovery.machine import Found, Machine
from module_utils.discovery.machine import Stack as Seen
from module_utils.discovery.obstacles import not_live, obstacles
from module_utils.discovery.page import page
from module_utils.stack import Stack, StackError
from ports import free_port

AGENT = "eloquence-agent:blue-0.7.2"
BOT = harness.ROOT / "agent_src" / "direct" / "agent.py"
PROXY = """
import asyncio, sys
here, there = int(sys.argv[1]), int(sys.argv[2])
async def pour(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    onward = await asyncio.open_connection("127.0.0.1", there)
    await asyncio.gather(pour(reader, onward[1]), pour(onward[0], writer))
async def main():
    async with await asyncio.start_server(serve, "127.0.0.1", here) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    found = docker.from_env()
    yield found
    found.close()


def image(client: Any) -> str:
    for version in harness.SERVER_VERSIONS:
        name = f"livekit/livekit-server:{version}"
        if client.images.list(name):
            return name
    raise RuntimeError("no image of LiveKit Server; `make images`")


class Project:
    """Containers that look as Compose starts them, removed by their ids."""

    def __init__(self, client: Any, kind: str) -> None:
        self.client = client
        self.name = f"releve-test-{kind}-{os.getpid()}"
        self.secret = secrets.token_hex(24)
        self.started: list[Any] = []
        self.network = client.networks.create(self.name, labels=self._labels())

    def server(self, **more: Any) -> Any:
        return self._run(
            "livekit",
            image(self.client),
            ["--port", "7880", "--node-ip", "127.0.0.1"],
            {"LIVEKIT_KEYS": f"APItest: {self.secret}"},
            **more,
        )

    def agent(self, url: str = "ws://livekit:7880", service: str = "agent", **more: Any) -> Any:
        environment = {
            "LIVEKIT_URL": url,
            "LIVEKIT_API_KEY": "APItest",
            "LIVEKIT_API_SECRET": self.secret,
        }
        found = self._run(service, AGENT, None, environment, **more)
        for line in found.logs(stream=True, follow=True):
            if b"registered worker" in line:
                return found
        raise AssertionError(f"the agent ended: {found.logs().decode()[-2000:]}")

    def remove(self) -> None:
        for container in self.started:
            container.remove(force=True)
        self.network.remove()

    def _labels(self, service: str = "") -> dict[str, str]:
        label = "com.docker.compose"
        found = {f"{label}.project": self.name, f"{label}.project.working_dir": "/srv/voice"}
        return found | ({f"{label}.service": service} if service else {})

    def _run(
        self, service: str, of: str, command: list[str] | None, env: dict[str, str], **more: Any
    ) -> Any:
        config = self.client.api.create_endpoint_config(aliases=[service])
        container = self.client.containers.create(
            of,
            command,
            name=f"{self.name}_{service}_1",
            labels=self._labels(service),
            environment=env,
            network=self.name,
            networking_config={self.name: config},
            **more,
        )
        self.started.append(container)
        container.start()
        return container


@pytest.fixture
def project(client: Any) -> Iterator[Project]:
    made = Project(client, "discovery")
    yield made
    made.remove()


def look(client: Any) -> Found:
    return Machine(client).look()


def of(found: Found, name: str) -> Seen:
    return next(one for one in found.stacks if one.name == name)


def with_server(found: Found, pid: int) -> Seen:
    return next(one for one in found.stacks if one.server.process and one.server.process.pid == pid)


def until_joined(client: Any, pid: int, workers: int, agent: harness.Process | None = None) -> Seen:
    """A worker says that it is registered; that its connection stands is seen a moment later."""
    deadline = time.monotonic() + harness.READY_SECONDS
    while True:
        stack = with_server(look(client), pid)
        if len(stack.workers) == workers:
            return stack
        assert agent is None or not agent.died(), agent.died()
        assert time.monotonic() < deadline, stack
        time.sleep(0.2)


def test_containers_on_a_bridge_behind_tini_and_what_is_stopped(
    client: Any, project: Project
) -> None:
    server = project.server(init=True)
    agent = project.agent(init=True)
    assert client.api.inspect_container(server.id)["Path"] != "/sbin/docker-init"
    found = look(client)
    stack = of(found, project.name)
    version = image(client).rpartition(":")[2]
    assert (stack.server.version, stack.server.port) == (version, 7880)
    (worker,) = stack.workers
    assert worker.place.container == agent.id
    assert worker.packages is not None and worker.packages["livekit-agents"] == "0.7.2"
    assert worker.packages["executable"] == "/opt/venv/bin/python"
    assert not_live(worker) is None
    assert stack.participants == ()
    text, refused = inventory_for(found, None, project.name, None)
    assert refused == [] and text is not None
    assert yaml.safe_load(text)["livekit_server_version"] == version
    assert project.secret not in text + "\n".join(page(Machine(client), found, None, None))
    agent.stop(timeout=1)
    server.stop(timeout=1)
    found = look(client)
    assert project.name not in {one.name for one in found.stacks}
    assert server.id in {place.container for place in found.stopped}


def test_an_agent_that_goes_by_the_host_is_moved_by_that_address(
    client: Any, project: Project
) -> None:
    port = free_port()
    project.server(ports={"7880/tcp": port})
    project.agent(
        f"ws://host.docker.internal:{port}", extra_hosts={"host.docker.internal": "host-gateway"}
    )
    stack = of(look(client), project.name)
    (worker,) = stack.workers
    assert worker.route is not None and worker.route.seen.port == port
    assert obstacles(stack, None) == []
    text, _ = inventory_for(look(client), None, project.name, None)
    assert yaml.safe_load(text or "")["adoption"] == "live"
    read = Stack(client, project.name, "livekit", "agent").read()
    seen = {"address": worker.route.seen.address, "port": port}
    assert (read["network"], read["blue"]["seen"]) == (project.name, seen)
    assert read["extra_hosts"] == {"host.docker.internal": "host-gateway"}


def test_two_services_that_do_not_tell_their_names_are_refused(
    client: Any, project: Project
) -> None:
    project.server()
    project.agent()
    project.agent(service="agent2")
    (sentence,) = obstacles(of(look(client), project.name), None)
    assert f"{project.name}_agent2_1, {project.name}_agent_1 are 2 workers" in sentence
    with pytest.raises(StackError, match="do not tell their names"):
        Stack(client, project.name, "livekit", "agent").read()


def test_bare_processes_and_a_bot_that_joins_by_itself(
    client: Any,
    blue_python: Path,
    tmp_path: Path,
) -> None:
    with harness.running_server(tmp_path) as server:
        agent = harness.start_agent("green", server.url, server.keys, tmp_path / "agent.out")
        env = {
            "PATH": os.environ["PATH"],
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.keys.api_key,
            "LIVEKIT_API_SECRET": server.keys.secret,
            "LIVEKIT_ROOM": "talk",
        }
        bot = harness.Process([blue_python, BOT], tmp_path / "bot.out", env)
        try:
            stack = until_joined(client, server.process.pid, 1)
            while not (
                stack.bots and len(stack.participants or ()) > 1
            ):  # the agent joins it there
                assert not bot.died(), bot.died()
                time.sleep(0.2)
                stack = until_joined(client, server.process.pid, 1)
            (worker,) = stack.workers
            assert worker.process.pid == agent.pid
            assert worker.packages is not None and worker.packages["livekit-agents"] == "1.1.3"
            assert (worker.agent_name, worker.settings.url) == ("", server.url)
            assert [one.process.pid for one in stack.bots] == [bot.pid]
            assert ("talk", "eloquence-agent", "STANDARD") in {
                (who["room"], who["identity"], who["kind"]) for who in stack.participants or ()
            }
            wrong = obstacles(stack, None)
            assert [one[:20] for one in wrong] == ["not yet: the agent i"]
        finally:
            bot.stop()
            agent.stop()


def test_a_program_of_another_name_behind_a_proxy(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version is what the server says; its program is not named livekit-server."""
    version = harness.server_binary().parent.name
    (tmp_path / version).mkdir()
    media = shutil.copy(harness.server_binary(), tmp_path / version / "media")
    monkeypatch.setattr(harness, "server_binary", lambda: media)
    with harness.running_server(tmp_path) as server:
        port = free_port()
        behind = server.url.rpartition(":")[2]
        command = [sys.executable, "-c", PROXY, str(port), behind]
        proxy = harness.Process(command, tmp_path / "proxy.out", dict(os.environ))
        agents: list[harness.Process] = []
        try:
            harness._await_answer(f"http://127.0.0.1:{port}", proxy)
            for number, url in enumerate((server.url, f"ws://127.0.0.1:{port}")):
                log = tmp_path / f"agent{number}.out"
                agents.append(harness.start_agent("green", url, server.keys, log))
            stack = until_joined(client, server.process.pid, 2)
            assert (stack.server.version, stack.server.version_from) == (
                version,
                "its answer to a worker",
            )
            through = {
                one.process.pid: [each.pid for each in one.route.through]
                for one in stack.workers
                if one.route
            }
            assert through == {agents[0].pid: [], agents[1].pid: [proxy.pid]}
            assert "is a worker under the key of" in "\n".join(obstacles(stack, None))
        finally:
            for each in (*agents, proxy):
                each.stop()


@pytest.fixture
def namespace() -> Iterator[Callable[..., list[str]]]:
    """Commands that run in a network namespace with the address 10.213.7.2, at the host's .1."""
    name = f"releve-test-{os.getpid()}"
    outside, inside = f"rt{os.getpid()}", f"ri{os.getpid()}"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        ip("address", "add", "10.213.7.1/30", "dev", outside)
        ip("link", "set", outside, "up")
        ip("-n", name, "address", "add", "10.213.7.2/30", "dev", inside)
        ip("-n", name, "link", "set", inside, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield lambda *command: ["ip", "netns", "exec", name, *command]
    finally:
        ip("netns", "delete", name)


def test_a_server_in_a_network_namespace_of_its_own(
    client: Any, tmp_path: Path, namespace: Callable[..., list[str]]
) -> None:
    keys = harness.Keys("APItest", secrets.token_hex(24))
    config = tmp_path / "livekit.yaml"
    rtc = {"tcp_port": 7881, "udp_port": 7882, "use_external_ip": False, "node_ip": "10.213.7.2"}
    config.write_text(
        yaml.safe_dump({"port": 7880, "keys": {keys.api_key: keys.secret}, "rtc": rtc})
    )
    config.chmod(0o600)
    command = namespace(str(harness.server_binary()), "--config", str(config))
    server = harness.Process([*command], tmp_path / "server.out", dict(os.environ))
    agent = None
    try:
        url = "ws://10.213.7.2:7880"
        harness._await_answer(url.replace("ws", "http"), server)
        agent = harness.start_agent("green", url, keys, tmp_path / "agent.out")
        stack = until_joined(client, server.pid, 1)
        (worker,) = stack.workers
        assert (stack.server.port, stack.server.version) == (
            7880,
            harness.server_binary().parent.name,
        )
        assert worker.process.pid == agent.pid
        assert worker.route is not None and str(worker.route.seen) == "10.213.7.2:7880"
    finally:
        if agent is not None:
            agent.stop()
        server.stop()


DOTENV = '''
"""As much of python-dotenv as is needed: the agents' locks do not have it."""
import os, pathlib
def dotenv_values(path):
    lines = pathlib.Path(path).read_text().splitlines()
    return dict(line.partition("=")[::2] for line in lines)
def load_dotenv(path):
    os.environ.update(dotenv_values(path))
'''
PROGRAM = """
import dotenv, pathlib
from harness_agent import entrypoint
from livekit.agents import WorkerOptions, cli
if __name__ == "__main__":
    dotenv.load_dotenv(pathlib.Path(__file__).with_name(".env"))
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, num_idle_processes=1))
"""


def test_settings_from_an_env_file_that_the_program_reads(client: Any, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/dotenv.py").write_text(DOTENV)
    program = tmp_path / "agent.py"
    with harness.running_server(tmp_path) as server:
        values = {
            "LIVEKIT_URL": server.url,
            "LIVEKIT_API_KEY": server.keys.api_key,
            "LIVEKIT_API_SECRET": server.keys.secret,
        }
        file = tmp_path / ".env"
        file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
        program.write_text(PROGRAM)
        agent = run_without_environment(program, tmp_path)
        try:
            stack = until_joined(client, server.process.pid, 1, agent)
            (worker,) = stack.workers
            assert worker.process.pid == agent.pid
            read = worker.settings
            assert (read.url, read.url_from, read.keys_from) == (server.url, str(file), str(file))
            machine = Machine(client)
            assert machine.keys_of(worker) == (server.keys.api_key, server.keys.secret)
            assert server.keys.secret not in json.dumps(page(machine, machine.look(), None, None))
        finally:
            agent.stop()


def run_without_environment(program: Path, folder: Path) -> harness.Process:
    """A worker whose environment tells neither URL nor keys."""
    here = Path(__file__).parent
    paths = (folder / "site", here / "harness_site", here)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(map(str, paths))}
    command: list[str | Path] = [harness.python_of("green"), program, "start"]
    return harness.Process(command, folder / "agent.out", env)


def test_the_playbook_writes_an_inventory_that_ansible_reads(
    client: Any, project: Project, tmp_path: Path
) -> None:
    project.server()
    project.agent()
    mine = tmp_path / "mine"

    def play(*options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                Path(sys.executable).parent / "ansible-playbook",
                harness.ROOT / "playbooks/discover.yml",
                "--inventory=this-host,",
                "--connection=local",
                f"--extra-vars=discover_write={mine}",
                f"--extra-vars=ansible_python_interpreter={sys.executable}",
                *options,
            ],
            env=os.environ | {"ANSIBLE_CONFIG": str(harness.ROOT / "ansible.cfg")},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    chosen = f"--extra-vars=stack={project.name}"
    done = play(chosen, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not mine.exists()
    done = play(chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"STACK {project.name}" in done.stdout
    assert project.secret not in done.stdout
    again = play(chosen)
    assert "changed=0" in again.stdout, again.stdout
    listed = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", f"--inventory={mine}", "--list"],
        capture_output=True,
        text=True,
        check=True,
    )
    host = json.loads(listed.stdout)["_meta"]["hostvars"]["this-host"]
    assert (host["ansible_connection"], host["ansible_python_interpreter"]) == (
        "local",
        "{{ ansible_playbook_python }}",
    )
    assert (host["stack"], host["agent_service"], host["adoption"]) == (
        project.name,
        "agent",
        "live",
    )
    (mine / "group_vars/eloquence/stack.yml").write_text("stack: my-own\n")
    refused = play(chosen)
    assert refused.returncode != 0
    assert "is there already and says something else" in refused.stdout
