"""Role dispatch_gateway replaces a gateway that is in service, and no room notices."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml
from docker.models.networks import Network

from e2e.gateway_site import Server, Worker
from e2e.harness import BIN, ROOT
from module_utils.gateway import Gateway
from ports import free_port
from releve import __version__
from unit.gateway_standin import KEYS, until

STACK = "releve-relief"
PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "dispatch_gateway"}}],
    }
]
USER = 10001


class Host:
    """The Docker host, and the role played on it: in a network of Docker's, or in the host's."""

    def __init__(self, folder: Path, network: Network | None) -> None:
        self.folder = folder
        self.network = network
        self.address = "127.0.0.1"
        self.ports = {"blue": 7890, "green": 7891}
        if network is None:
            self.ports = {colour: free_port() for colour in self.ports}
        else:
            self.address = network.attrs["IPAM"]["Config"][0]["Gateway"]
        self.docker = docker.from_env()
        self.image = self.docker.images.get(f"releve:{__version__}").id
        self.socket = folder / "run" / "admin.sock"
        self.gateway = Gateway(str(self.socket))
        self.server_url = ""
        self._metrics = free_port()
        (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
        (folder / "dir").mkdir()
        keys = folder / "dir" / "keys.yaml"
        keys.write_text(f"{KEYS.api_key}: {KEYS.secret}\n")
        os.chown(keys, USER, USER)

    def play(self, *arguments: str, **more: Any) -> tuple[int, int, str]:
        """Its exit code, how many tasks changed, what it said."""
        running = f"{STACK}-gateway" in self.containers()
        settings = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "stack": STACK,
            "stack_now": {
                "network": self.network.name if self.network else "host",
                "gateway": {"running": True} if running else None,
            },
            "agent_name": "",
            "agent_namespace": "",
            "server_url": self.server_url,
            "server_ca": "",
            "releve_dir": str(self.folder / "dir"),
            "releve_run": str(self.folder / "run"),
            "releve_socket": str(self.socket),
            "releve_keys": str(self.folder / "dir" / "keys.yaml"),
            "releve_user": USER,
            "releve_image_id": self.image,
            "dispatch_gateway_ports": self.ports,
            "dispatch_gateway_metrics_port": self._metrics,
            "dispatch_gateway_forget_seconds": 0,  # the workers here remember no address
        }
        done = subprocess.run(
            [
                *(BIN / "ansible-playbook", self.folder / "play.yml", "-i", "localhost,"),
                *("-e", json.dumps(settings | more), *arguments),
            ],
            cwd=ROOT,
            env=os.environ | {"ANSIBLE_ROLES_PATH": str(ROOT / "roles"), "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        changed = [line.split("changed=")[1] for line in done.stdout.splitlines() if "unr" in line]
        return done.returncode, int(changed[-1].split()[0]), done.stdout + done.stderr

    def containers(self) -> dict[str, str]:
        """Names and ids."""
        found = self.docker.containers.list(all=True, filters={"label": f"releve.stack={STACK}"})
        return {item.name: item.id for item in found}

    def another_image(self) -> str:
        """The same gateway in an image with another id."""
        made = self.docker.containers.create(self.image)
        found = made.commit(f"{STACK}-gateway", changes="LABEL another=image")
        made.remove()
        return str(found.id)


def clean() -> None:
    """Nothing is left, of this run or of one that was cut off."""
    engine = docker.from_env()
    for item in engine.containers.list(all=True, filters={"label": f"releve.stack={STACK}"}):
        item.remove(force=True)
    for network in engine.networks.list(names=[STACK]):
        network.remove()
    with suppress(docker.errors.ImageNotFound):
        engine.images.remove(f"{STACK}-gateway")


@pytest.fixture(params=["a network of Docker's", "the host's"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    clean()
    network = None
    try:
        if request.param != "the host's":
            network = docker.from_env().networks.create(STACK)
            network.reload()
        yield Host(tmp_path, network)
    finally:
        clean()


@pytest.fixture
async def server(host: Host) -> AsyncIterator[Server]:
    server = Server(host.address)
    runner = await server.start()
    host.server_url = server.url
    yield server
    await runner.cleanup()


async def test_a_gateway_in_service_is_replaced_and_every_room_has_its_agent(
    host: Host, server: Server
) -> None:
    async def play(*arguments: str, **more: Any) -> tuple[int, int, str]:
        return await asyncio.to_thread(host.play, *arguments, **more)

    code, changed, said = await play()
    assert code == 0, said
    assert changed, said
    first = host.containers()
    async with AsyncExitStack() as stack:
        workers = [Worker(host.network, port) for port in host.ports.values()]
        for work in (*(worker.run() for worker in workers), server.rooms(every=0.1)):
            task = asyncio.create_task(work)
            stack.callback(task.cancel)
        await until(lambda: len(server.served) > 5 and all(item.connected for item in workers))
        server.silent.clear()  # those from before there was a worker

        another = await asyncio.to_thread(host.another_image)
        code, changed, said = await play("--check", releve_image_id=another)
        assert (code, host.containers()) == (0, first), said
        assert changed, said

        code, _, said = await play(releve_image_id=another, server_url="http://not-a-websocket")
        assert code != 0
        assert "was not replaced and goes on as it was" in said
        assert host.containers() == first
        assert len(host.gateway.state()["workers"]) == 2

        before = len(server.served)
        code, _, said = await play(releve_image_id=another)
        assert code == 0, said
        second = host.containers()
        assert set(second) == set(first)
        assert second != first
        name = f"{STACK}-gateway"
        assert host.gateway.state()["host"] == (second[name][:12] if host.network else name)
        assert len(host.gateway.state()["workers"]) == 2
        now = len(server.served)
        await until(lambda: len(server.served) > now + 5)
        assert now > before
        assert server.silent == []

        code, changed, said = await play(releve_image_id=another)
        assert (code, changed) == (0, 0), said
        assert host.containers() == second
