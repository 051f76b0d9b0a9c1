"""Strangers, liars and floods: they are turned away and nobody else notices."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import os
import resource
import ssl
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import aiohttp
import pytest
import yaml
from livekit import api
from livekit.protocol import agent as proto
from typer.testing import CliRunner

from certificate import write_certificate
from releve.gateway import cli, listeners
from releve.gateway.auth import certificate
from releve.gateway.config import GatewayConfig
from releve.gateway.operator import logs
from releve.gateway.workers import limits, session
from releve.gateway.workers.limits import RefusalLimits, TokenBucket
from releve.keys import Keys
from unit.gateway_running import Running, running
from unit.gateway_standin import KEYS, StandInServer, connected, registered, until

NEW = Keys("newkey", "another-secret-of-thirty-two-bytes!!")


async def knock(gateway: Running, token: str | None, path: str = "/agent") -> int:
    """The status of a worker's handshake with that token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        url = f"http://127.0.0.1:{gateway.blue}{path}"
        socket = await gateway.workers.ws_connect(url, headers=headers)
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status
    await socket.close()
    return 101


def token(keys: Keys = KEYS, agent: bool = True, minutes: float = 5) -> str:
    return (
        api.AccessToken(keys.api_key, keys.secret)
        .with_grants(api.VideoGrants(agent=agent))
        .with_ttl(datetime.timedelta(minutes=minutes))
        .to_jwt()
    )


# -- tokens and keys -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "why"),
    [
        # Made when the test runs: a run may take longer than a token lives.
        (lambda: token(Keys(KEYS.api_key, "x" * 40)), "InvalidSignatureError"),
        (lambda: token(NEW), "signed with a key that is not in force"),
        (lambda: token(minutes=-5), "ExpiredSignatureError"),
        (lambda: token(agent=False), "no agent grant"),
        (lambda: "not-a-token", "DecodeError"),
        (lambda: None, "no bearer token"),
    ],
)
async def test_a_refusal_is_a_401_and_a_log_line_without_the_token(
    gateway: Running, caplog: pytest.LogCaptureFixture, make: Callable[[], str | None], why: str
) -> None:
    refused = make()
    with caplog.at_level(logging.INFO):
        assert await knock(gateway, refused) == 401
    lines = [logs.JsonLines().format(record) for record in caplog.records]
    (line,) = [json.loads(line) for line in lines if "worker refused" in line]
    assert why in line["why"]
    assert line["peer"] == "127.0.0.1"
    for part in (refused or "Bearer").split("."):
        assert not any(part in line for line in lines)


async def test_a_token_in_a_broken_request_is_not_in_the_log(
    gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    shown = token()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.blue)
    writer.write(f"GET /agent HTTP/1.1\r\nAuthorization: Bearer {shown}\0\r\n\r\n".encode())
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    lines = [logs.JsonLines().format(record) for record in caplog.records]
    assert any("Error handling request from 127.0.0.1" in line for line in lines)
    assert not any(part in line for line in lines for part in shown.split("."))


async def test_keys_are_rotated_without_a_restart_and_nobody_connected_notices(
    gateway: Running, server: StandInServer, caplog: pytest.LogCaptureFixture
) -> None:
    file = gateway.config.keys_file
    async with registered(gateway.workers, gateway.blue) as worker:
        assert [await knock(gateway, token(keys)) for keys in (KEYS, NEW)] == [101, 401]
        file.write_text(f"{NEW.api_key}: {NEW.secret}\n{KEYS.api_key}: {KEYS.secret}\n")
        assert [await knock(gateway, token(keys)) for keys in (KEYS, NEW)] == [101, 101]
        file.write_text(f"{NEW.api_key}: {NEW.secret}\n")
        assert [await knock(gateway, token(keys)) for keys in (KEYS, NEW)] == [401, 101]
        file.write_text("half a rota")
        assert await knock(gateway, token(NEW)) == 101
        assert "holds no key" in str([vars(record) for record in caplog.records])
        assert NEW.secret not in str([vars(record) for record in caplog.records])
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])


# -- limits --------------------------------------------------------------------------------


async def test_who_is_refused_again_and_again_is_told_so_and_fills_no_log(
    gateway: Running, caplog: pytest.LogCaptureFixture
) -> None:
    said = [await knock(gateway, "x") for _ in range(int(limits.REFUSALS_AT_ONCE) + 5)]
    assert said[0] == 401
    assert said[-1] == 429
    refused = [record for record in caplog.records if record.message == "worker refused"]
    assert len(refused) == said.count(401) <= limits.REFUSALS_AT_ONCE + 3


async def test_a_good_token_is_welcome_however_many_bad_ones_come_from_its_address(
    gateway: Running, server: StandInServer
) -> None:
    """Behind a NAT many workers have one address."""
    said = [await knock(gateway, "x") for _ in range(int(limits.REFUSALS_AT_ONCE) + 5)]
    assert said[-1] == 429
    async with registered(gateway.workers, gateway.blue) as good:
        assert await server.dispatch("room")
        await until(lambda: good.rooms == ["room"])


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    now = [0.0]
    bucket = TokenBucket(rate=10, burst=5, clock=lambda: now[0])
    assert [bucket.take() for _ in range(7)] == [True] * 5 + [False] * 2
    now[0] = 0.2
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 1000.0
    assert [bucket.take() for _ in range(6)] == [True] * 5 + [False]


def test_refusals_of_ever_new_addresses_do_not_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "PEERS_REMEMBERED", 10)
    refusals = RefusalLimits(rate=0.001, burst=1)
    for number in range(100):
        refusals.note(f"10.0.0.{number}")
    assert [number for number in range(100) if refusals.too_many(f"10.0.0.{number}")] == [
        *range(90, 100)
    ]


async def test_a_flood_of_frames_closes_that_connection_alone(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FRAMES_AT_ONCE", 20.0)
    monkeypatch.setattr(limits, "FRAMES_PER_SECOND", 1.0)
    async with (
        registered(gateway.workers, gateway.blue) as good,
        registered(gateway.workers, gateway.blue) as bad,
    ):
        update = proto.WorkerMessage()
        update.update_worker.load = 0.5
        for _ in range(25):
            await bad.send(update)
        await asyncio.wait_for(bad.closed.wait(), 5)
        assert bad.socket.close_code == 1008
        assert await server.dispatch("room")
        await until(lambda: good.rooms == ["room"])


async def test_connections_that_never_register_count_too(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with (
        running(config.model_copy(update={"max_workers": 1}), server) as gateway,
        connected(gateway.workers, gateway.blue),
    ):
        assert await knock(gateway, token()) == 503


@pytest.mark.parametrize("said", [b"", b"GET /agent HTTP/1.1\r\nHost"])
async def test_who_connects_and_asks_for_nothing_is_let_go(
    config: GatewayConfig, server: StandInServer, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(listeners, "IDLE_SECONDS", 0.1)
    async with (
        running(config, server) as gateway,
        registered(gateway.workers, gateway.blue) as good,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.blue)
        writer.write(said)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        assert not good.closed.is_set()


async def test_more_workers_fit_than_an_engine_gives_files_at_first(
    config: GatewayConfig, server: StandInServer
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
    try:
        async with running(config, server):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == before[1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_worker_that_reads_nothing_is_cut_off_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else one full socket buffer would hold up every offer behind it."""
    monkeypatch.setattr(session, "SEND_SECONDS", 0.02)
    socket, request = mock.Mock(), mock.Mock()
    socket.send_bytes = lambda _data: asyncio.Event().wait()
    link = session.SocketLink(socket, request)
    with pytest.raises(ConnectionResetError, match="does not read"):
        await asyncio.wait_for(link.send(proto.ServerMessage()), 5)
    request.transport.abort.assert_called_once()


# -- the admin socket and TLS --------------------------------------------------------------


async def test_the_admin_socket_is_closed_to_others_from_its_first_moment(
    config: GatewayConfig, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_second_step(*_: object) -> None:
        raise AssertionError("opened first and closed afterwards")

    monkeypatch.setattr(Path, "chmod", no_second_step)
    monkeypatch.setattr(os, "chmod", no_second_step)
    before = os.umask(0o000)
    try:
        async with running(config, server):
            assert config.admin_socket.stat().st_mode & 0o777 == 0o600
            assert os.umask(0o000) == 0o000
    finally:
        os.umask(before)


async def test_workers_come_by_tls_when_there_is_a_certificate(
    config: GatewayConfig, server: StandInServer, tmp_path: Path
) -> None:
    cert, key = write_certificate(tmp_path)
    secured = config.model_copy(update={"worker_cert": cert, "worker_key": key})
    trust = ssl.create_default_context(cafile=str(cert))
    async with (
        running(secured, server) as gateway,
        gateway.workers.ws_connect(
            f"https://localhost:{gateway.blue}/agent",
            headers={"Authorization": f"Bearer {token()}"},
            ssl=trust,
        ) as socket,
    ):
        hello = proto.WorkerMessage(register=proto.RegisterWorkerRequest())
        await socket.send_bytes(hello.SerializeToString())
        reply = proto.ServerMessage.FromString(await socket.receive_bytes(timeout=5))
        assert reply.register.worker_id.startswith("RW_blue_")


async def test_the_workers_of_one_colour_alone_may_come_by_tls(
    config: GatewayConfig, server: StandInServer, tmp_path: Path
) -> None:
    """A blue that speaks wss is adopted live beside a green that is told to speak ws."""
    cert, key = write_certificate(tmp_path)
    more = {"worker_cert": cert, "worker_key": key, "worker_tls": ("blue",)}
    async with running(config.model_copy(update=more), server) as gateway:
        async with registered(gateway.workers, gateway.green):
            pass
        with pytest.raises(aiohttp.ClientError):
            async with registered(gateway.workers, gateway.blue):
                pass


async def test_a_renewed_certificate_is_shown_without_a_restart(
    config: GatewayConfig,
    server: StandInServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Half of a renewal, a certificate whose key is not there yet, changes nothing."""
    monkeypatch.setattr(certificate, "LOOK_SECONDS", 0.01)
    cert, key = write_certificate(tmp_path)
    secured = config.model_copy(update={"worker_cert": cert, "worker_key": key})

    async def shown(gateway: Running) -> bytes | None:
        stranger = ssl.create_default_context()
        stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.blue, ssl=stranger)
        said: bytes | None = writer.get_extra_info("ssl_object").getpeercert(True)
        writer.close()
        return said

    async with running(secured, server) as gateway:
        before = await shown(gateway)
        (tmp_path / "new").mkdir()
        new_cert, new_key = write_certificate(tmp_path / "new")
        cert.write_bytes(new_cert.read_bytes())
        await until(lambda: "certificate not changed" in caplog.messages)
        assert await shown(gateway) == before
        key.write_bytes(new_key.read_bytes())
        async with asyncio.timeout(30):
            while await shown(gateway) == before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def test_an_unusable_certificate_is_a_sentence_and_exit_code_two(
    config: GatewayConfig, tmp_path: Path
) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    raw = config.model_dump(mode="json") | {
        "worker_cert": str(tmp_path / "no.pem"),
        "worker_key": str(tmp_path / "no.pem"),
    }
    file = tmp_path / "gateway.yaml"
    file.write_text(yaml.safe_dump(raw))
    result = CliRunner().invoke(cli.app, ["run", "--config", str(file)])
    assert result.exit_code == 2, result.output
    assert "cannot be used" in result.output
