"""Live adoption of a worker that speaks wss, with the certificate of its server's host."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certificate import write_certificate
from integration import harness
from integration.gateway_process import Gateway, until
from module_utils.adoption.connections import Endpoint
from module_utils.adoption.obstacles import of_tls
from module_utils.adoption.redirect import Redirect, adopt, in_its_own_network
from ports import free_port

HOST, ADDRESS = "voice.example", "10.213.8.1"
PROXY = Path(__file__).parents[1] / "tls_proxy.py"


@dataclass(frozen=True)
class Apart:
    """A network of the agent's own, in which the server's host has an address of this machine."""

    name: str

    def python(self, folder: Path) -> Path:
        """An interpreter that runs there."""
        script = folder / "python"
        inside = f"ip netns exec {self.name} {harness.python_of('green')}"
        script.write_text(f'#!/bin/sh\nexec {inside} "$@"\n')
        script.chmod(0o755)
        return script


@pytest.fixture
def apart() -> Iterator[Apart]:
    name, inside = f"releve-tls-{os.getpid()}", f"rj{os.getpid()}"
    outside = f"rs{os.getpid()}"
    hosts = Path("/etc/netns") / name

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    ip("netns", "add", name)
    try:
        hosts.mkdir(parents=True)
        (hosts / "hosts").write_text(f"127.0.0.1 localhost\n{ADDRESS} {HOST}\n")
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        ip("address", "add", f"{ADDRESS}/30", "dev", outside)
        ip("link", "set", outside, "up")
        ip("-n", name, "address", "add", "10.213.8.2/30", "dev", inside)
        ip("-n", name, "link", "set", inside, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield Apart(name)
    finally:
        ip("netns", "delete", name)
        shutil.rmtree(hosts)


async def test_a_worker_by_wss_is_moved_while_it_runs(
    livekit_server: harness.LiveKit, apart: Apart, tmp_path: Path
) -> None:
    cert, key = write_certificate(tmp_path, HOST)
    assert of_tls(HOST, str(cert), str(key), str(cert)) is None
    port, there = free_port(), livekit_server.url.rpartition(":")[2]
    command: list[str | Path] = [sys.executable, PROXY, ADDRESS, str(port), there, cert, key]
    proxy = harness.Process(command, tmp_path / "proxy.out", dict(os.environ))
    tls = {"worker_cert": str(cert), "worker_key": str(key), "worker_tls": ["blue"]}
    gateway = Gateway(livekit_server, tmp_path, namespace="", listen_host=ADDRESS, **tls)
    agent = None
    try:
        await until("a proxy", lambda: "listening" in proxy.log.read_text())
        gateway.start()
        agent = await asyncio.to_thread(
            harness.start_agent,
            "green",
            f"wss://{HOST}:{port}",
            livekit_server.keys,
            tmp_path / "agent.out",
            python=apart.python(tmp_path),
            SSL_CERT_FILE=str(cert),
        )
        way = in_its_own_network(Endpoint(ADDRESS, port), Endpoint(ADDRESS, gateway.ports["blue"]))
        loop = asyncio.get_running_loop()

        def registered() -> None:
            asyncio.run_coroutine_threadsafe(gateway.ready(workers=1), loop).result(60)

        await asyncio.to_thread(adopt, Redirect(agent.pid, way), registered)
        (worker,) = (await gateway.ready(workers=1))["workers"]
        assert (worker["colour"], worker["peer"]) == ("blue", "10.213.8.2")
        assert agent.returncode is None, "it was not restarted"
    finally:
        for each in (agent, gateway.process, proxy):
            if each is not None:
                each.stop()
