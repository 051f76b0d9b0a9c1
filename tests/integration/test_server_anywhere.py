"""A server that is reached by wss through its owner's proxy, by gateway, agent and probes."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from certificate import write_certificate
from integration import harness
from integration.gateway_process import Gateway, call
from ports import free_port

PROXY = Path(__file__).parents[1] / "tls_proxy.py"


@pytest.fixture
def behind_tls(
    livekit_server: harness.LiveKit, tmp_path: Path
) -> Iterator[tuple[harness.LiveKit, str]]:
    """The server by wss, and the file with whom to trust."""
    cert, key = write_certificate(tmp_path)
    port, there = free_port(), livekit_server.url.rpartition(":")[2]
    command: list[str | Path] = [sys.executable, PROXY, "127.0.0.1", str(port), there, cert, key]
    proxy = harness.Process(command, tmp_path / "proxy.out", dict(os.environ))
    try:
        while "listening" not in proxy.log.read_text():
            assert not proxy.died(), proxy.died()
        yield replace(livekit_server, url=f"wss://localhost:{port}"), str(cert)
    finally:
        proxy.stop()


async def test_gateway_and_agent_reach_a_server_by_wss(
    livekit_server: harness.LiveKit,
    behind_tls: tuple[harness.LiveKit, str],
    start_agent: Callable[..., harness.Process],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, trusted = behind_tls
    monkeypatch.setenv("SSL_CERT_FILE", trusted)  # as role dispatch_gateway gives it `server_ca`
    gateway = Gateway(server, tmp_path, namespace="")
    gateway.start()
    try:
        start_agent("green", gateway.url("green"), SSL_CERT_FILE=trusted)
        await gateway.ready(workers=1)
        await gateway.weights(100)
        name = f"room-{secrets.token_hex(4)}"
        async with call(livekit_server, name) as line:
            await line.answered()
            assert len(line.agents) == 1
            assert (await gateway.jobs())[name]["colour"] == "green"
    finally:
        assert gateway.process is not None
        gateway.process.stop()


def probe(server: harness.LiveKit, **env: str) -> subprocess.CompletedProcess[str]:
    """`releve probe server`, as preflight runs it."""
    command = [Path(sys.executable).parent / "releve", "probe", "server"]
    return subprocess.run(
        [*command, f"--url={server.url}", f"--keys-file={server.keys_file}"],
        env={name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_certificate_that_does_not_fit_is_a_sentence(
    behind_tls: tuple[harness.LiveKit, str],
) -> None:
    server, trusted = behind_tls
    fits = probe(server, SSL_CERT_FILE=trusted)
    assert (fits.returncode, fits.stderr) == (0, "")
    unknown = probe(server)
    assert unknown.returncode == 2
    assert "the certificate that localhost shows is not to be trusted: self" in unknown.stderr
    assert "or `server_ca` to a PEM file" in unknown.stderr
    other = probe(
        replace(server, url=server.url.replace("localhost", "127.0.0.1")), SSL_CERT_FILE=trusted
    )
    assert other.returncode == 2
    assert "certificate is not valid for '127.0.0.1'" in other.stderr
