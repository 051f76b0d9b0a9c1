"""Whoever reads the gateway's events or its log may stop reading; nobody else notices."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from releve.gateway.config import GatewayConfig
from releve.gateway.operator import logs, sse
from unit.gateway_running import Running
from unit.gateway_standin import StandInServer, registered, until


def idle_reader(gateway: Running) -> socket.socket:
    """A connection to the page's events that reads nothing."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    reader.connect(("127.0.0.1", gateway.config.metrics_port))
    reader.setblocking(False)
    reader.send(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    return reader


@asynccontextmanager
async def reading(gateway: Running) -> AsyncIterator[aiohttp.StreamReader]:
    """Somebody at the page, after the first event."""
    url = f"http://127.0.0.1:{gateway.config.metrics_port}/events"
    async with gateway.plain.get(url) as answer:
        assert answer.status == 200
        assert await answer.content.readline() == b"event: state\n"
        yield answer.content


async def test_readers_that_do_not_read_keep_nobody_out(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LISTENERS", 4)
    with ExitStack() as stack:
        for _ in range(4):
            stack.callback(idle_reader(gateway).close)
        async with asyncio.timeout(30), reading(gateway) as lines:
            await gateway.weights(30)
            async for line in lines:
                if line == b"event: decision\n":
                    return


async def test_one_reader_more_sends_away_the_one_that_came_first(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "LISTENERS", 2)
    async with (
        asyncio.timeout(30),
        reading(gateway) as first,
        reading(gateway) as second,
        reading(gateway) as third,
    ):
        assert (await first.read()).endswith(b"\n\n")
        await gateway.weights(30)
        for lines in (second, third):
            while await lines.readline() != b"event: decision\n":
                pass


async def test_a_reader_that_takes_nothing_is_cut_off(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "WRITE_SECONDS", 0.2)
    told, readers = sse.Stream._tell, 0

    async def tell(*args: Any) -> None:
        nonlocal readers
        readers += 1
        try:
            await told(*args)
        finally:
            readers -= 1

    monkeypatch.setattr(sse.Stream, "_tell", tell)
    with ExitStack() as stack:
        stack.callback(idle_reader(gateway).close)
        await until(lambda: readers == 1)
        async with asyncio.timeout(60), registered(gateway.workers, gateway.blue) as worker:
            path, wanted = f"/workers/{worker.id}/cordon", False
            while readers:
                wanted = not wanted
                assert (await gateway.admin("PUT", path, {"cordoned": wanted}))[0] == 200


async def test_a_log_that_nobody_reads_stops_nothing_and_is_counted(
    config: GatewayConfig, server: StandInServer
) -> None:
    """Rooms, decisions and the end: a pipe of 64 kB and 2000 lines beside it are full by then."""
    settings = config.model_dump(mode="json", exclude_none=True)
    file = config.keys_file.with_name("gateway.yaml")
    file.write_text(yaml.safe_dump(settings))
    command = [Path(sys.executable).parent / "releve", "gateway", "run", "--config", file]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)  # noqa: ASYNC220  it stays
    gateway = Running(config, asyncio.Event())
    try:
        await until(lambda: len(server.connections) == 3, 60)
        async with registered(gateway.workers, gateway.blue):
            for number in range(1500):  # two lines each, three hundred bytes a line
                assert await server.dispatch(f"room-{number}")
                await server.terminate(f"AJ_{number + 1}")
            assert (await gateway.weights(100))[0] == 200
            assert (await gateway.weights(0))[0] == 200
        async with gateway.plain.get(f"http://127.0.0.1:{config.metrics_port}/metrics") as answer:
            text = await answer.text()
        (dropped,) = (
            float(line.split()[1])
            for line in text.splitlines()
            if line.startswith("releve_log_lines_dropped_total ")
        )
        assert dropped > 0
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 0
    finally:
        await gateway.close()
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_what_was_dropped_is_told_when_somebody_reads_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "LINES_WAITING", 10)
    reads, writes = os.pipe()
    writer = logs.LineWriter(writes)
    writer.setFormatter(logs.JsonLines())
    record = logs.logging.LogRecord("x", 20, "", 0, "x" * 10_000, (), None)
    for _ in range(100):
        writer.emit(record)
    assert writer.dropped > 0
    lost = writer.dropped
    os.set_blocking(reads, False)
    text = b""
    while writer._lines.unfinished_tasks:
        text += _some(reads)
    writer.emit(record)
    while writer._lines.unfinished_tasks:
        text += _some(reads)
    text += _some(reads)
    assert f'"message": "log lines dropped", "lines": {lost}'.encode() in text
    assert text.count(b'xxxx"') == 100 - lost + 1
    os.close(reads)


def _some(reads: int) -> bytes:
    try:
        return os.read(reads, 1 << 20)
    except BlockingIOError:
        return b""
