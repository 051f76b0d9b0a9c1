"""The running gateway seen from all its sides, with stand-ins instead of LiveKit."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from livekit import api
from livekit.protocol import agent as proto
from typer.testing import CliRunner
from yarl import URL

from ports import free_port
from releve.gateway import app, cli
from releve.gateway.config import GatewayConfig
from releve.gateway.server import connection as server_connection
from releve.gateway.workers import proxy
from releve.gateway.workers import session as worker_session
from unit.gateway_running import Running, running
from unit.gateway_standin import (
    KEYS,
    StandInServer,
    connected,
    registered,
    until,
)

# -- the server's side ---------------------------------------------------------------------


async def test_it_registers_one_public_key_and_two_dark_ones(
    gateway: Running, server: StandInServer
) -> None:
    names = [(item.agent_name, item.namespace) for item in server.registrations]
    assert sorted(names) == [(key, "default") for key in ("", "releve-blue", "releve-green")]
    assert all(item.type == proto.JobType.JT_ROOM for item in server.registrations)


async def test_it_is_full_until_a_worker_comes_and_full_again_when_it_leaves(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told at once: a server that believes in a worker that left would lose a room."""
    monkeypatch.setattr(server_connection, "REPORT_SECONDS", 60.0)
    full, free = proto.WorkerStatus.WS_FULL, proto.WorkerStatus.WS_AVAILABLE
    await until(lambda: server.status == {"": full, "releve-blue": full, "releve-green": full})
    async with registered(gateway.workers, gateway.blue):
        await until(lambda: server.status[""] == free)
        assert server.status["releve-green"] == full
    await until(lambda: server.status[""] == full)


async def test_a_room_goes_to_the_colour_of_the_weights(
    gateway: Running, server: StandInServer
) -> None:
    async with (
        registered(gateway.workers, gateway.blue) as blue,
        registered(gateway.workers, gateway.green) as green,
    ):
        assert await server.dispatch("before")
        assert (await gateway.weights(100))[0] == 200
        assert await server.dispatch("after")
        assert await server.dispatch("dark", "releve-blue")
        await until(lambda: len(blue.assigned) == 2 and len(green.assigned) == 1)
        assert (blue.rooms, green.rooms) == (["before", "dark"], ["after"])
        assert {item.url for item in blue.assigned} == {"ws://media.example"}


async def test_workers_stay_over_a_restart_of_the_server_and_get_offers_again(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch("before")
        await server.stop()
        await until(lambda: not server.connections)
        state = await gateway.state()
        assert [item["id"] for item in state["workers"]] == [worker.id]
        # A message of a kind that only the server could judge must not cost the worker its place.
        await worker.send(proto.WorkerMessage(simulate_job=proto.SimulateJobRequest()))
        await server.start()
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_AVAILABLE)
        assert await server.dispatch("after")
        await until(lambda: worker.rooms == ["before", "after"])
        assert not worker.closed.is_set()


async def test_an_offer_of_a_server_that_left_is_dropped(
    config: GatewayConfig, server: StandInServer
) -> None:
    patient = config.model_copy(update={"answer_seconds": 5.0, "offer_seconds": 9.0})
    async with (
        running(patient, server) as gateway,
        registered(gateway.workers, gateway.blue) as worker,
    ):
        worker.accepts = None
        offer = asyncio.create_task(server.dispatch("room"))
        await until(lambda: len(worker.offered) == 1)
        await server.stop()
        offer.cancel()
        while (await gateway.state())["upstreams"][0]["connected"]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await worker.answer(worker.offered[0], True)
        await server.start()
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_AVAILABLE)
        assert (await gateway.admin("GET", "/jobs"))[1] == []


async def test_a_server_that_answers_nothing_is_asked_again(
    config: GatewayConfig, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "CONNECT_SECONDS", 0.1)
    server.silent = True
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop))
    await until(lambda: len(server.registrations) >= 6)
    server.silent = False
    await until(lambda: server.status.get("") == proto.WorkerStatus.WS_FULL)
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_a_worker_that_is_there_before_any_server_is_served_when_one_comes(
    config: GatewayConfig, server: StandInServer
) -> None:
    await server.stop()
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop))
    await until(config.admin_socket.exists)
    async with (
        aiohttp.ClientSession() as session,
        connected(session, config.ports["blue"]) as worker,
    ):
        registering = asyncio.create_task(worker.register())
        await asyncio.sleep(0.05)
        assert not registering.done()
        await server.start()
        await asyncio.wait_for(registering, 10)
        assert worker.server_version == "stand-in"
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_workers_may_come_while_the_server_is_away(
    gateway: Running, server: StandInServer
) -> None:
    """0.7.2 tries ten times and then ends, with all its calls."""
    await server.stop()
    await until(lambda: not server.connections)
    async with registered(gateway.workers, gateway.blue) as worker:
        await server.start()
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_AVAILABLE)
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])


async def test_a_server_that_stops_reading_does_not_hold_up_the_end(
    config: GatewayConfig, server: StandInServer
) -> None:
    server.deaf = True
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop))
    await until(lambda: len(server.connections) == 3)
    stop.set()
    await asyncio.wait_for(task, 2)


# -- the workers' side ---------------------------------------------------------------------


def bearer(secret: str = KEYS.secret, agent: bool = True, minutes: float = 5) -> dict[str, str]:
    token = (
        api.AccessToken(KEYS.api_key, secret)
        .with_grants(api.VideoGrants(agent=agent))
        .with_ttl(datetime.timedelta(minutes=minutes))
    )
    return {"Authorization": f"Bearer {token.to_jwt()}"}


@pytest.mark.parametrize("path", ["/agent", "//agent"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer x"}, bearer("x" * 40), bearer(agent=False), bearer(minutes=-5)],
)
async def test_a_worker_without_a_valid_token_stays_outside(
    gateway: Running, path: str, headers: dict[str, str]
) -> None:
    url = URL(f"http://127.0.0.1:{gateway.blue}{path}", encoded=True)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await gateway.workers.ws_connect(url, headers=headers)
    assert refusal.value.status == 401


async def test_both_spellings_of_the_path_are_the_workers_door(gateway: Running) -> None:
    """0.7.2 asks for //agent."""
    async with connected(gateway.workers, gateway.green, "//agent") as worker:
        await worker.register()
        assert worker.id.startswith("RW_green_")


BAD_FRAMES = {
    "malformed": lambda socket: socket.send_bytes(b"\xff\xff\xff"),
    "text": lambda socket: socket.send_str("hello"),
    "second registration": lambda socket: socket.send_bytes(
        proto.WorkerMessage(register=proto.RegisterWorkerRequest()).SerializeToString()
    ),
    "too large": lambda socket: socket.send_bytes(b"\0" * (worker_session.MAX_FRAME_BYTES + 1)),
}


@pytest.mark.parametrize("kind", BAD_FRAMES)
async def test_a_bad_frame_closes_that_connection_alone(
    gateway: Running, server: StandInServer, kind: str
) -> None:
    async with (
        registered(gateway.workers, gateway.blue) as good,
        registered(gateway.workers, gateway.blue) as bad,
    ):
        await BAD_FRAMES[kind](bad.socket)
        await asyncio.wait_for(bad.closed.wait(), 5)
        assert bad.socket.close_code == (1009 if kind == "too large" else 1008)
        assert [item["id"] for item in (await gateway.state())["workers"]] == [good.id]
        assert await server.dispatch("room")
        await until(lambda: good.rooms == ["room"])
    assert len(server.registrations) == 3


async def test_what_the_gateway_does_not_know_never_reaches_the_shared_connection(
    gateway: Running, server: StandInServer
) -> None:
    """LiveKit Server closes a connection on such messages, and with it everybody's."""
    async with registered(gateway.workers, gateway.blue) as worker:
        await worker.socket.send_bytes(b"")
        assert await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
    assert server.unexpected == []


async def test_a_simulated_job_is_asked_for_by_the_name_of_the_workers_colour(
    gateway: Running, server: StandInServer
) -> None:
    """The server sends it to whoever asked: by the public name that may be the other colour."""
    async with (
        registered(gateway.workers, gateway.blue) as blue,
        registered(gateway.workers, gateway.green) as green,
    ):
        wish = proto.WorkerMessage()
        wish.simulate_job.room.name = "simulated"
        await green.send(wish)
        await until(lambda: server.wishes == [("releve-green", "simulate_job")])
        assert await server.dispatch("simulated", "releve-green")
        await until(lambda: green.rooms == ["simulated"])
        assert blue.offered == []


async def test_a_worker_that_gives_its_jobs_away_is_heard_where_they_came_from(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        assert await server.dispatch("room")
        assert await server.dispatch("dark", "releve-blue")
        await until(lambda: len(worker.rooms) == 2)
        wish = proto.WorkerMessage()
        own = {item.job.id for item in worker.assigned}
        wish.migrate_job.job_ids.extend([*own, "AJ_of_somebody_else"])
        await worker.send(wish)
        await until(lambda: len(server.wishes) == 2)
        assert set(server.wishes) == {("", "migrate_job"), ("releve-blue", "migrate_job")}
        assert server.given_away == own
        assert not worker.closed.is_set()


async def test_a_worker_of_another_key_is_told_so(gateway: Running) -> None:
    async with connected(gateway.workers, gateway.blue) as worker:
        with pytest.raises(ConnectionResetError) as told:
            await worker.register(agent_name="coach")
    assert "serves agent_name '', the worker offers 'coach' in namespace ''" in str(told.value)
    assert "1008" in str(told.value)


@pytest.mark.parametrize("kind", ["JT_PUBLISHER", "JT_PARTICIPANT"])
async def test_another_job_type_is_registered_only_while_a_worker_takes_it(
    gateway: Running, server: StandInServer, kind: str
) -> None:
    """Else the server would send us what nobody behind us can do."""
    keys = {f"{name}/{kind}" for name in ("", "releve-blue", "releve-green")}
    number = proto.JobType.Value(kind)
    async with (
        registered(gateway.workers, gateway.blue) as rooms,
        registered(gateway.workers, gateway.blue, type=number) as other,
    ):
        await until(lambda: server.status.get(f"/{kind}") == proto.WorkerStatus.WS_AVAILABLE)
        assert keys <= set(server.connections)
        assert await server.dispatch("one", f"/{kind}")
        assert await server.dispatch("two")
        await until(lambda: (other.rooms, rooms.rooms) == (["one"], ["two"]))
        assert len((await gateway.state())["upstreams"]) == 6
        await other.socket.close()
        await until(lambda: all(server.connections[key].closed for key in keys))
        assert len((await gateway.state())["upstreams"]) == 3
        assert await server.dispatch("three")


async def test_the_first_message_must_be_a_registration(gateway: Running) -> None:
    async with connected(gateway.workers, gateway.blue) as worker:
        await worker.send(proto.WorkerMessage(ping=proto.WorkerPing()))
        frame = await worker.socket.receive(timeout=5)
        assert (frame.data, frame.extra) == (1008, "the first message must be a registration")


async def test_a_registration_is_short(gateway: Running) -> None:
    async with connected(gateway.workers, gateway.blue) as worker:
        with pytest.raises(ConnectionResetError, match="larger than 4 kB"):
            await worker.register(version="1" * 5000)


async def test_a_worker_that_never_registers_is_hung_up_on(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_session, "REGISTER_SECONDS", 0.1)
    async with connected(gateway.workers, gateway.blue) as worker:
        frame = await worker.socket.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1008)


async def test_more_workers_than_allowed_are_refused(
    config: GatewayConfig, server: StandInServer
) -> None:
    async with (
        running(config.model_copy(update={"max_workers": 1}), server) as gateway,
        registered(gateway.workers, gateway.blue),
    ):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await gateway.workers.ws_connect(
                f"http://127.0.0.1:{gateway.blue}/agent", headers=bearer()
            )
        assert refusal.value.status == 503


async def test_a_ping_is_answered(gateway: Running) -> None:
    async with connected(gateway.workers, gateway.blue) as worker:
        await worker.register()
        await worker.send(proto.WorkerMessage(ping=proto.WorkerPing(timestamp=7)))
        frame = await worker.socket.receive_bytes(timeout=5)
        assert proto.ServerMessage.FromString(frame).pong.last_timestamp == 7


async def test_a_full_worker_is_not_asked(gateway: Running, server: StandInServer) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        update = proto.WorkerMessage()
        update.update_worker.status = proto.WorkerStatus.WS_FULL
        await worker.send(update)
        await until(lambda: server.status.get("") == proto.WorkerStatus.WS_FULL)
        assert not await server.dispatch("room")


# -- the operator's side -------------------------------------------------------------------


async def test_the_admin_socket_is_for_its_owner_alone(gateway: Running) -> None:
    assert gateway.config.admin_socket.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("PUT", "/decisions", b"", 400, "decisions: "),
        ("PUT", "/decisions", b"{", 400, "decisions: "),
        ("PUT", "/decisions", b"\xff", 400, "decisions: "),
        ("PUT", "/decisions", b"[" * 4000, 400, "nested too deeply"),
        ("PUT", "/decisions", b"[]", 400, "send a JSON object, like"),
        ("PUT", "/decisions?agent=x", b"{}", 404, "there is no agent 'x'"),
        ("GET", "/decisions?agent=x", b"", 404, "there is no agent 'x'"),
        ("PUT", "/workers/10.0.0.7/cordon", b"{", 400, "cordon: "),
        ("PUT", "/workers/10.0.0.7/cordon", b"\xff", 400, "cordon: "),
        ("PUT", "/workers/10.0.0.7/cordon", b"{}", 400, 'cordon: send {\\"cordoned\\": true}'),
        ("PUT", "/workers/10.0.0.7/cordon", b"[]", 400, 'cordon: send {\\"cordoned\\": true}'),
        ("PUT", "/workers/10.0.0.7/cordon", b'{"cordoned": 1}', 400, "cordon: send"),
        ("PUT", "/workers/W_1/cordon", b"{}", 404, "no worker 'W_1' is connected"),
        ("GET", "/nothing", b"", 404, ""),
        ("POST", "/decisions", b"{}", 405, ""),
        ("PUT", "/decisions", b" " * 200_000, 413, ""),
    ],
)
async def test_mistakes_are_answered_and_change_nothing(
    gateway: Running, method: str, path: str, body: bytes, status: int, sentence: str
) -> None:
    before = await gateway.state()
    answered, text = await gateway.raw(method, path, body)
    assert (answered, sentence in text) == (status, True), text
    after = await gateway.state()
    assert {**before, "monotonic": 0} == {**after, "monotonic": 0}


async def test_weights_that_cannot_be_remembered_are_not_changed(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("releve.gateway.decisions.file.save", disk_full)
    flip = await gateway.weights(100)
    cordon = await gateway.cordon("blue")
    assert [flip[0], cordon[0]] == [500, 500]
    assert "cannot be kept on disk: [Errno 28]" in flip[1]["error"]
    state = await gateway.state()
    assert (state["weights"], state["cordoned"]) == ({"blue": 100, "green": 0}, [])


async def test_a_slow_disk_holds_up_no_room(
    gateway: Running, server: StandInServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()
    monkeypatch.setattr("releve.gateway.decisions.file.save", lambda *_: disk.wait(10))
    async with registered(gateway.workers, gateway.blue) as blue:
        body = {"blue": 0, "green": 100}
        flip = asyncio.create_task(gateway.weights(100))
        await asyncio.sleep(0.05)
        assert await server.dispatch("meanwhile")
        await until(lambda: blue.rooms == ["meanwhile"])
        assert not flip.done()
        assert (await gateway.state())["weights"] == {"blue": 100, "green": 0}
        disk.set()
        assert (await flip)[1]["changed"] is True
        assert (await gateway.state())["weights"] == body


async def test_decisions_outlive_the_gateway(config: GatewayConfig, server: StandInServer) -> None:
    async with running(config, server) as gateway:
        first = await gateway.weights(70)
        again = await gateway.weights(70)
        await gateway.cordon("blue")
        assert [first[1]["changed"], again[1]["changed"]] == [True, False]
        assert (await gateway.state())["flips"] == 1
    await until(lambda: all(item.closed for item in server.connections.values()))
    server.connections.clear()
    async with running(config, server) as gateway:
        state = await gateway.state()
        assert (state["weights"], state["cordoned"]) == ({"blue": 30, "green": 70}, ["blue"])


async def test_jobs_and_workers_are_told_as_the_contract_says(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue, version="0.7.2") as worker:
        await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        (job,) = (await gateway.admin("GET", "/jobs"))[1]
        assert set(job) == {"job", "room", "agent", "colour", "worker", "state", "started", "ended"}
        assert (job["room"], job["colour"], job["worker"]) == ("room", "blue", worker.id)
        assert (job["state"], job["ended"]) == ("running", None)
        assert job["started"] <= time.monotonic()
        state = await gateway.state()
        assert (state["jobs"], state["workers"][0]["version"]) == (1, "0.7.2")
        assert [item["server"] for item in state["upstreams"]] == ["stand-in"] * 3

        done = proto.WorkerMessage()
        done.update_job.job_id = job["job"]
        done.update_job.status = proto.JobStatus.JS_SUCCESS
        await worker.send(done)
        await until(lambda: bool(server.updates))
        (job,) = (await gateway.admin("GET", "/jobs"))[1]
        assert job["state"] == "ended"
        assert job["started"] <= job["ended"] <= time.monotonic()


async def test_metrics_are_readable_without_the_admin_socket(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        await server.dispatch("room")
        await until(lambda: worker.rooms == ["room"])
        base = f"http://127.0.0.1:{gateway.config.metrics_port}"
        async with gateway.plain.get(f"{base}/metrics") as answer:
            text = await answer.text()
        async with gateway.plain.get(f"{base}/state") as answer:
            assert answer.status == 404
    assert 'releve_workers{agent="default",colour="blue"} 1.0' in text
    assert 'releve_jobs{agent="default",colour="blue"} 1.0' in text
    assert 'releve_offers_total{agent="default",colour="blue",outcome="assigned"} 1.0' in text


# -- everything else goes through ----------------------------------------------------------


async def test_a_post_goes_through_with_its_body_type_and_status(gateway: Running) -> None:
    async with gateway.plain.post(
        f"http://127.0.0.1:{gateway.blue}/twirp/livekit.RoomService/ListRooms?status=418",
        data=b"\x00body" * 50_000,
        headers={"Content-Type": "application/protobuf", "Authorization": "Bearer me"},
        skip_auto_headers=["Accept-Encoding"],
    ) as answer:
        assert answer.status == 418
        assert await answer.read() == b"\x00body" * 50_000
        assert answer.headers["X-Method"] == "POST"
        assert answer.headers["X-Type"] == "application/protobuf"
        assert answer.headers["X-Auth"] == "Bearer me"
        assert "Content-Encoding" not in answer.headers


async def test_a_compressed_answer_stays_one_and_says_so(gateway: Running) -> None:
    async with gateway.plain.post(
        f"http://127.0.0.1:{gateway.blue}/rtc/validate",
        data=b"body",
        headers={"Accept-Encoding": "gzip"},
    ) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == b"body"


async def test_the_path_goes_through_as_it_was_written(gateway: Running) -> None:
    url = URL(f"http://127.0.0.1:{gateway.green}/a%2Fb/%41?q=%2B+%C3%A9", encoded=True)
    async with gateway.plain.get(url) as answer:
        assert answer.headers["X-Path"] == "/a%2Fb/%41?q=%2B+%C3%A9"


async def test_only_a_path_is_passed_through(gateway: Running) -> None:
    """A whole URL would reach whatever the sender likes, with the gateway's address."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.blue)
    writer.write(b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 5)
    writer.close()


async def test_a_frame_without_end_does_not_fill_the_memory(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "MAX_FRAME_BYTES", 1000)
    async with gateway.plain.ws_connect(f"http://127.0.0.1:{gateway.blue}/rtc") as client:
        await client.receive_str(timeout=5)
        await client.send_bytes(b"x" * 2000)
        frame = await client.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1009)


async def test_signalling_goes_through_both_ways(gateway: Running) -> None:
    url = f"http://127.0.0.1:{gateway.blue}/rtc?access_token=t"
    async with gateway.plain.ws_connect(url, protocols=["livekit"]) as client:
        assert client.protocol == "livekit"
        assert await client.receive_str(timeout=5) == "/rtc?access_token=t"
        await client.send_str("text")
        assert await client.receive_str(timeout=5) == "text"
        await client.send_bytes(b"\x00" * 2_000_000)
        assert await client.receive_bytes(timeout=5) == b"\x00" * 2_000_000


@pytest.mark.parametrize(("said", "code"), [("close 4123", 4123), ("vanish", 1001)])
async def test_the_servers_close_reaches_the_client(gateway: Running, said: str, code: int) -> None:
    async with gateway.plain.ws_connect(f"http://127.0.0.1:{gateway.blue}/rtc") as client:
        await client.receive_str(timeout=5)
        await client.send_str(said)
        frame = await client.receive(timeout=5)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, code)


async def test_the_clients_close_reaches_the_server(
    gateway: Running, server: StandInServer
) -> None:
    async with gateway.plain.ws_connect(f"http://127.0.0.1:{gateway.blue}/rtc") as client:
        await client.receive_str(timeout=5)
        await client.close(code=4321)
    await until(lambda: getattr(server, "last_close_code", None) == 4321)


async def test_a_server_that_is_away_is_a_502_with_a_sentence(
    gateway: Running, server: StandInServer
) -> None:
    await server.stop()
    async with gateway.plain.get(f"http://127.0.0.1:{gateway.blue}/rtc/validate") as answer:
        assert answer.status == 502
        assert "the LiveKit server does not answer" in await answer.text()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await gateway.plain.ws_connect(f"http://127.0.0.1:{gateway.blue}/rtc")
    assert refusal.value.status == 502


async def test_a_refused_handshake_keeps_its_status(gateway: Running) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await gateway.plain.ws_connect(f"http://127.0.0.1:{gateway.blue}/rtc/v1?status=404")
    assert refusal.value.status == 404


# -- beginning and end ---------------------------------------------------------------------


async def test_it_ends_within_two_seconds_with_workers_of_both_colours(
    config: GatewayConfig, server: StandInServer
) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(app.run(config, stop))
    await until(lambda: len(server.connections) == 3)
    async with (
        aiohttp.ClientSession() as session,
        registered(session, config.ports["blue"]) as blue,
        registered(session, config.ports["green"]) as green,
    ):
        stop.set()
        await asyncio.wait_for(task, 10)
        await asyncio.wait_for(asyncio.gather(blue.closed.wait(), green.closed.wait()), 5)


async def test_a_room_that_was_promised_is_handed_over_before_the_end(
    gateway: Running, server: StandInServer
) -> None:
    async with registered(gateway.workers, gateway.blue) as worker:
        server.assigns.clear()
        promised = asyncio.create_task(server.dispatch("promised"))
        await until(lambda: bool(server.accepted))
        gateway.stop.set()
        await asyncio.sleep(0.02)
        late = asyncio.create_task(server.dispatch("too late"))
        server.assigns.set()
        assert await promised
        assert not await late
        await asyncio.wait_for(worker.closed.wait(), 5)
        assert worker.rooms == ["promised"]


def settings_file(config: GatewayConfig, path: Path) -> Path:
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return path


def test_a_taken_port_is_a_sentence_and_exit_code_two(tmp_path: Path) -> None:
    keys_file = tmp_path / "keys"
    keys_file.write_text("key: secret\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = GatewayConfig(
            server_url="ws://127.0.0.1:1",
            media_url="ws://127.0.0.1:1",
            keys_file=keys_file,
            state_file=tmp_path / "state",
            admin_socket=tmp_path / "admin",
            listen_host="127.0.0.1",
            ports={"blue": taken.getsockname()[1], "green": free_port()},
        )
        file = settings_file(config, tmp_path / "gateway.yaml")
        result = CliRunner().invoke(cli.app, ["run", "--config", str(file)])
    assert result.exit_code == 2, result.output
    assert "cannot listen" in result.output
    assert not (tmp_path / "admin").exists()


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda home: (home / "gateway.yaml").unlink(), "gateway settings"),
        (lambda home: (home / "keys").unlink(), "mount it or fix its mode"),
        (lambda home: (home / "state").write_text("{"), "remove it to start with blue 100"),
    ],
)
def test_an_unusable_file_is_a_sentence_and_exit_code_two(
    tmp_path: Path, break_it: Any, sentence: str
) -> None:
    (tmp_path / "keys").write_text("key: secret\n")
    config = GatewayConfig(
        server_url="ws://127.0.0.1:1",
        media_url="ws://127.0.0.1:1",
        keys_file=tmp_path / "keys",
        state_file=tmp_path / "state",
        admin_socket=tmp_path / "admin",
    )
    file = settings_file(config, tmp_path / "gateway.yaml")
    break_it(tmp_path)
    result = CliRunner().invoke(cli.app, ["run", "--config", str(file)])
    assert result.exit_code == 2, result.output
    assert sentence in result.output


async def test_health_is_whether_every_key_is_registered(
    gateway: Running, server: StandInServer
) -> None:
    url = f"http://127.0.0.1:{gateway.config.metrics_port}/health"

    async def asked() -> tuple[int, str]:
        async with gateway.plain.get(url) as answer:
            return answer.status, await answer.text()

    async with asyncio.timeout(30):
        while (await asked())[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await server.stop()
        while (await asked())[0] != 503:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert (await asked())[1].startswith("not registered at the server: ")
