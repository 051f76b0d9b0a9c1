"""The gateway as a process of its own, and plain calls that watch who serves them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from livekit import api, rtc

from integration import harness
from ports import free_port

COLOURS = ("blue", "green")


async def until(what: str, holds: Callable[[], Any], seconds: float = 90.0) -> None:
    """Wait for what no event announces; says what was missing when it does not come."""
    try:
        async with asyncio.timeout(seconds):
            while not holds():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:.0f} s: {what}") from None


class Gateway:
    """`releve gateway run --config …`, which can be killed and started again."""

    def __init__(
        self,
        server: harness.LiveKit,
        home: Path,
        agent_name: str = "",
        namespace: str = "default",
        **more: object,
    ) -> None:
        self.server = server
        self.home = home
        self.ports = {colour: free_port() for colour in COLOURS}
        self.socket = home / "admin.sock"
        self.process: harness.Process | None = None
        settings = {
            "server_url": server.url,
            "media_url": server.url,
            "keys_file": str(server.keys_file),
            "state_file": str(home / "state.json"),
            "admin_socket": str(self.socket),
            "agents": {"default": {"agent_name": agent_name, "namespace": namespace}},
            "listen_host": "127.0.0.1",
            "ports": self.ports,
            "metrics_port": free_port(),
            **more,
        }
        (home / "gateway.yaml").write_text(yaml.safe_dump(settings))

    def url(self, colour: str) -> str:
        return f"ws://127.0.0.1:{self.ports[colour]}"

    def start(self, take_over: bool = False) -> None:
        """Returns when the admin API answers; with `take_over` beside the one that runs."""
        self.socket.unlink(missing_ok=True)
        command: list[str | Path] = [Path(sys.executable).parent / "releve", "gateway", "run"]
        command += ["--config", self.home / "gateway.yaml"]
        command += ["--take-over"] if take_over else []
        log = self.home / f"gateway-{time.monotonic_ns()}.out"
        self.process = harness.Process(command, log, dict(os.environ))
        deadline = time.monotonic() + harness.READY_SECONDS
        while time.monotonic() < deadline:
            assert not (said := self.process.died()), said
            if self.socket.exists():
                return
            time.sleep(0.02)
        raise AssertionError(f"the gateway did not open its admin socket:\n{log.read_text()}")

    def end(self, number: signal.Signals) -> tuple[int, float]:
        """Exit code and seconds from the signal to the end."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send(number)
        try:
            return self.process.wait(60), time.monotonic() - began
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there 10 s after {number.name}") from None

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        connector = aiohttp.UnixConnector(str(self.socket))
        async with (
            aiohttp.ClientSession("http://gateway", connector=connector) as session,
            session.request(method, path, json=body) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def weights(self, green: int) -> None:
        weights = {"blue": 100 - green, "green": green}
        decision = {"by": "test", "epoch": "next", "weights": weights, "allow_unserved": True}
        await self.ask("PUT", "/decisions", decision)

    async def jobs(self) -> dict[str, dict[str, Any]]:
        """Jobs by their room."""
        return {job["room"]: job for job in await self.ask("GET", "/jobs")}

    async def ended(self, rooms: list[str], seconds: float = 90.0) -> None:
        """Returns when the jobs of these rooms are over."""
        async with asyncio.timeout(seconds):
            while True:
                jobs = await self.jobs()
                if all(jobs[room]["state"] == "ended" for room in rooms):
                    return
                await asyncio.sleep(0.1)

    async def ready(
        self, workers: int = 2, seconds: float = 120.0, settle: bool = True
    ) -> dict[str, Any]:
        """The state once that many workers are there and the server knows all three keys."""
        state: dict[str, Any] = {}
        async with asyncio.timeout(seconds):
            while not state or len(state["workers"]) < workers or not connected(state):
                await asyncio.sleep(0.05)
                state = await self.ask("GET", "/state")
        # The server's copy of our fullness is at most one report old.
        await asyncio.sleep(0.2 if settle else 0.05)
        return state


def connected(state: dict[str, Any]) -> bool:
    return all(upstream["connected"] for upstream in state["upstreams"])


class Call:
    """A caller in a room, who notes every agent that comes and goes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.room = rtc.Room()
        self.came: list[str] = []
        self.left: list[str] = []
        self.room.on("participant_connected", lambda who: self.came.append(who.identity))
        self.room.on("participant_disconnected", lambda who: self.left.append(who.identity))

    @property
    def agents(self) -> list[str]:
        """Who is there now, besides us."""
        return list(self.room.remote_participants)

    @property
    def heard(self) -> bool:
        """Somebody publishes a track."""
        return any(who.track_publications for who in self.room.remote_participants.values())

    async def answered(self, seconds: float = 90.0) -> None:
        await until(f"an agent's track in {self.name}", lambda: self.heard, seconds)


@asynccontextmanager
async def call(
    server: harness.LiveKit, name: str, agent: str | None = None, microphone: bool = False
) -> AsyncIterator[Call]:
    """Join a new room, with a microphone if wanted; `agent` asks for that agent name instead of the
    public key."""
    token = (
        api.AccessToken(server.keys.api_key, server.keys.secret)
        .with_identity("caller")
        .with_grants(api.VideoGrants(room_join=True, room=name))
    )
    if agent is not None:
        asked = api.RoomConfiguration(agents=[api.RoomAgentDispatch(agent_name=agent)])
        token = token.with_room_config(asked)
    line = Call(name)
    await line.room.connect(server.url, token.to_jwt())
    try:
        if microphone:
            source = rtc.AudioSource(48_000, 1)
            track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
            await line.room.local_participant.publish_track(track)
        yield line
    finally:
        await line.room.disconnect()


@contextmanager
def with_agents(livekit_server: harness.LiveKit, home: Path) -> Iterator[Gateway]:
    """A gateway with an echo of each colour's SDK behind it."""
    gateway = Gateway(livekit_server, home)
    gateway.start()
    agents = []
    try:
        for colour in COLOURS:
            log = home / f"agent-{colour}.out"
            keys = livekit_server.keys
            agents.append(harness.start_agent(colour, gateway.url(colour), keys, log))
        yield gateway
    finally:
        for agent in agents:
            agent.stop()
        if gateway.process is not None:
            gateway.process.stop()
