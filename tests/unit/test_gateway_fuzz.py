"""Anything at all at the workers' door and at the admin socket: no crash, no leak, others
undisturbed. One gateway lives through all of it, with a worker that must not notice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from livekit.protocol import agent as proto

from ports import free_port
from releve.gateway.config import GatewayConfig
from unit.gateway_running import Running, running
from unit.gateway_standin import (
    KEYS,
    StandInServer,
    StandInWorker,
    connected,
    registered,
    until,
)

RESULTS = {200, 400, 404, 405, 413}
bounded = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class World:
    """A gateway, its server, and a good worker of blue."""

    gateway: Running
    server: StandInServer
    good: StandInWorker

    async def enter(self, home: Path, stack: AsyncExitStack) -> None:
        (home / "keys").write_text(f"{KEYS.api_key}: {KEYS.secret}\n")
        blue, green, metrics = (free_port() for _ in range(3))
        self.server = StandInServer()
        await self.server.start()
        config = GatewayConfig(
            server_url=self.server.url,
            media_url="ws://media",
            keys_file=home / "keys",
            state_file=home / "state",
            admin_socket=home / "admin.sock",
            listen_host="127.0.0.1",
            ports={"blue": blue, "green": green},
            metrics_port=metrics,
        )
        stack.push_async_callback(self.server.stop)
        self.gateway = await stack.enter_async_context(running(config, self.server))
        session = self.gateway.workers
        self.good = await stack.enter_async_context(registered(session, blue, "good"))

    async def one_bad_worker(self, frames: list[bytes], registers: bool) -> None:
        async with connected(self.gateway.workers, self.gateway.green) as bad:
            if registers:
                await bad.register()
            for frame in frames:
                if bad.socket.closed:
                    break
                await bad.socket.send_bytes(frame)
        await self.nobody_noticed()

    async def one_stranger(self, door: int, sent: bytes) -> None:
        """Bytes on a connection of their own; the gateway may answer, and need not."""
        reader, writer = await asyncio.open_connection("127.0.0.1", door)
        writer.write(sent)
        writer.write_eof()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        await self.nobody_noticed()

    async def one_strange_request(self, method: str, path: str, body: bytes) -> None:
        status, _ = await self.gateway.raw(method, path, body)
        assert status in RESULTS, (method, path, body)
        undone = await self.gateway.decide(
            weights={"blue": 100, "green": 0}, cordons={"blue": False}
        )
        free = f"/workers/{self.good.id}/cordon"
        assert undone[0] == (await self.gateway.admin("PUT", free, {"cordoned": False}))[0] == 200
        await self.nobody_noticed()

    async def nobody_noticed(self) -> None:
        before = len(self.good.rooms)
        assert await self.server.dispatch("room")
        await until(lambda: len(self.good.rooms) == before + 1)
        await self.server.terminate(self.good.assigned[-1].job.id)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    loop = asyncio.new_event_loop()
    stack, world = AsyncExitStack(), World()
    loop.run_until_complete(world.enter(tmp_path_factory.mktemp("fuzz"), stack))

    def play(act: Callable[[World], Coroutine[Any, Any, None]]) -> None:
        loop.run_until_complete(act(world))

    yield play
    loop.run_until_complete(stack.aclose())
    loop.close()


@pytest.fixture(autouse=True)
def nothing_crashes_or_stays(
    world: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    caplog.set_level(logging.WARNING)
    yield
    said = caplog.get_records("call")  # those of this phase would be none
    crashes = [record.getMessage() for record in said if record.exc_info]
    assert crashes == []

    async def only_the_good_one_is_left(world: World) -> None:
        async with asyncio.timeout(5):
            while len((await world.gateway.state())["workers"]) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        state = await world.gateway.state()
        assert [item["id"] for item in state["workers"]] == [world.good.id]
        assert all(item["connected"] for item in state["upstreams"])

    world(only_the_good_one_is_left)


def message(kind: str, text: str, number: float, yes: bool) -> bytes:
    """A worker's message of that kind with whatever fits into its fields."""
    whole = proto.WorkerMessage()
    part = getattr(whole, kind)
    part.SetInParent()
    for field in part.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(part, field.name, text)
        elif field.type == field.TYPE_FLOAT:
            setattr(part, field.name, number)
        elif field.type == field.TYPE_BOOL:
            setattr(part, field.name, yes)
        elif field.type == field.TYPE_ENUM:
            setattr(part, field.name, int(yes))
    return bytes(whole.SerializeToString())


kinds = st.sampled_from([field.name for field in proto.WorkerMessage.DESCRIPTOR.fields])
frames = st.binary(max_size=200) | st.builds(
    message, kinds, st.text(max_size=20), st.floats(width=32), st.booleans()
)
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["blue", "green", "cordoned"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@bounded
@given(sent=st.lists(frames, max_size=8), registers=st.booleans())
def test_nothing_a_worker_sends_disturbs_anybody_else(
    world: Callable[..., None], sent: list[bytes], registers: bool
) -> None:
    world(lambda it: it.one_bad_worker(sent, registers))


first_lines = st.sampled_from(
    [
        b"GET /agent HTTP/1.1",
        b"GET /rtc HTTP/1.1",
        b"PUT //agent HTTP/9.9",
        b"GET http://elsewhere/ HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
    ]
)
headers = st.sampled_from(
    [
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: x",
        b"Authorization: Bearer x.y.z",
        b"Authorization: Bearer \xff",
        b"Content-Length: 18446744073709551616",
        b"Transfer-Encoding: chunked",
    ]
)
noise = st.binary(max_size=60)
lines = st.tuples(first_lines | noise, st.lists(headers | noise, max_size=6), noise).map(
    lambda it: b"\r\n".join([it[0], *it[1], b"", it[2]])
)


@bounded
@given(sent=lines, door=st.sampled_from(["blue", "metrics"]))
def test_nothing_on_the_wire_disturbs_anybody_else(
    world: Callable[..., None], sent: bytes, door: str
) -> None:
    def act(it: World) -> Coroutine[Any, Any, None]:
        config = it.gateway.config
        return it.one_stranger(
            config.metrics_port if door == "metrics" else config.ports["blue"], sent
        )

    world(act)


@bounded
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    path=st.sampled_from(["/state", "/decisions", "/jobs", "/calls", "/metrics"])
    | st.text("abcdef/.:%0123456789", max_size=30).map("/workers/{}/cordon".format)
    | st.text("abcdefgijklmnopqrstuvwxyz0123456789/", max_size=30).map("/{}".format),
    body=st.binary(max_size=5000) | json_values.map(lambda value: json.dumps(value).encode()),
)
def test_nothing_at_the_admin_socket_is_more_than_a_mistake(
    world: Callable[..., None], method: str, path: str, body: bytes
) -> None:
    world(lambda it: it.one_strange_request(method, path, body))


def test_memory_does_not_grow_with_what_is_refused(world: Callable[..., None]) -> None:
    def tasks_and_objects(_world: World) -> tuple[int, int]:
        gc.collect()
        return len(asyncio.all_tasks()), len(gc.get_objects())

    async def hundred_times(it: World) -> None:
        for _ in range(20):
            await it.one_bad_worker([b"\xff"], True)
        tasks, objects = tasks_and_objects(it)
        for _ in range(100):
            await it.one_bad_worker([b"\xff"], True)
        await asyncio.sleep(0.05)
        more_tasks, more_objects = tasks_and_objects(it)
        assert more_tasks <= tasks + 5
        assert more_objects <= objects + 100 * 60, (objects, more_objects)  # the jobs remembered

    world(hundred_times)
