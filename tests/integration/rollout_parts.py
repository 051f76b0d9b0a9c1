"""Around a controller: a gateway that speaks PUT /decisions, a record of sentinels, the process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from integration import harness
from releve.rollout import operator
from releve.rollout.operator import Refused

METRICS = """# TYPE releve_offers counter
releve_offers_total{agent="default",colour="blue",outcome="assigned"} 40.0
releve_offers_total{agent="default",colour="none",outcome="rejected"} %f
"""


class Moments:
    """What a test does in the midst of a PUT: before it has an effect, and before its answer."""

    async def asked(self) -> None: ...

    async def applied(self) -> None: ...


class StandInGateway:
    """The contract of docs/gateway-api.md, in memory. `told` are its changes, with their times."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.epoch, self.by, self.why = 0, "", ""
        self.weights = {"blue": 100, "green": 0}
        self.cordons = {"blue": False, "green": False}
        self.fallback = ["blue"]
        self.lease: float | None = None
        self.until = 0.0
        self.otherwise: dict[str, int] = {}
        self.serving = {"blue", "green"}
        self.jobs: list[dict[str, Any]] = []
        self.rejected = 0.0
        self.told: list[tuple[float, dict[str, int]]] = []
        self.at_put = Moments()
        self.renewals = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/decisions", self._get)
        app.router.add_put("/decisions", self._put)
        app.router.add_get("/jobs", self._jobs)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.socket)).start()

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()
        self.socket.unlink(missing_ok=True)

    def operate(self, weights: dict[str, int]) -> None:
        """An operator decides."""
        self._decide(self.epoch + 1, "operator", weights, None)

    @property
    def greens(self) -> list[int]:
        """The weights that green has had, in order."""
        return [weights["green"] for _, weights in self.told]

    def _decide(self, epoch: int, by: str, weights: dict[str, int], lease: float | None) -> None:
        now = time.monotonic()
        if weights != self.weights:
            self.told.append((now, weights))
        self.epoch, self.by, self.weights, self.lease = epoch, by, weights, lease
        self.until = now + (lease or 0)

    def _expire(self) -> None:
        if self.lease is not None and time.monotonic() >= self.until:
            why = f"the lease of epoch {self.epoch} ({self.by}) ran out"
            self._decide(self.epoch + 1, "gateway", self.otherwise, None)
            self.why = why

    def describe(self) -> dict[str, Any]:
        self._expire()
        left = None if self.lease is None else self.until - time.monotonic()
        return {
            "agent": "default",
            "weights": self.weights,
            "cordons": self.cordons,
            "fallback": self.fallback,
            "epoch": self.epoch,
            "by": self.by,
            "why": self.why,
            "decided": "2026-11-30T13:30:05.123Z",
            "lease_seconds": self.lease,
            "remaining_seconds": left,
            "otherwise": None if self.lease is None else {"weights": self.otherwise},
            "serving": sorted(self.serving - {c for c, off in self.cordons.items() if off}),
        }

    async def _get(self, _request: web.Request) -> web.Response:
        return web.json_response(self.describe())

    async def _put(self, request: web.Request) -> web.Response:
        body = await request.json()
        await self.at_put.asked()
        self._expire()
        if not (
            body["epoch"] > self.epoch or (body["epoch"] == self.epoch and body["by"] == self.by)
        ):
            return self._refuse("superseded", "superseded")
        weights = body.get("weights", self.weights)
        if set(weights) != {"blue", "green"} or sum(weights.values()) != 100:
            return web.json_response({"error": "weights: name blue and green"}, status=400)
        self.cordons |= body.get("cordons", {})
        serving = self.describe()["serving"]
        grows = [colour for colour in weights if weights[colour] > self.weights[colour]]
        unserved = [colour for colour in grows if colour not in serving]
        if unserved and not body.get("allow_unserved"):
            return self._refuse("unserved", f"nobody serves {unserved}")
        if "otherwise" in body:
            self.otherwise = body["otherwise"]["weights"]
        self.fallback = body.get("fallback", self.fallback)
        self.renewals += 1
        self._decide(body["epoch"], body["by"], weights, body.get("lease_seconds"))
        self.why = body.get("why", "")
        await self.at_put.applied()
        return web.json_response(self.describe() | {"changed": True, "ms": 0.1})

    def _refuse(self, reason: str, said: str) -> web.Response:
        return web.json_response(self.describe() | {"error": said, "reason": reason}, status=409)

    async def _jobs(self, _request: web.Request) -> web.Response:
        return web.json_response(self.jobs)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=METRICS % self.rejected)


@asynccontextmanager
async def gateway_running(socket: Path) -> AsyncIterator[StandInGateway]:
    gateway = StandInGateway(socket)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


class Record:
    """A sentinel's record: a minute that went before, and round trips as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # Some seconds ago: a silence that is written at once began after it.
        self.since = time.monotonic() - 2
        self._lock = threading.Lock()
        self.stopping = threading.Event()
        self.write("open", at=self.since - 61, call="held", kind="held")
        for second in range(60):
            at = self.since - 60 + second
            self.write("rtt", at=at, call="held", ms=[150.0], said=1)

    def write(self, event: str, at: float | None = None, **fields: object) -> float:
        """Append an event, of now or of another time; returns that."""
        t = time.monotonic() if at is None else at
        with self._lock, self.path.open("a") as file:
            file.write(json.dumps({"t": t, "event": event, "at": t, **fields}) + "\n")
        return t

    def _go_on(self) -> None:
        while not self.stopping.wait(0.1):
            self.write("rtt", call="held", ms=[150.0], said=1)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._go_on, daemon=True)
        thread.start()
        return thread


@contextmanager
def record_running(path: Path) -> Iterator[Record]:
    record = Record(path)
    thread = record.start()
    try:
        yield record
    finally:
        record.stopping.set()
        thread.join()


class Controller:
    """`releve rollout run`, which can be killed and started again."""

    def __init__(self, home: Path, gateway: Path, record: Record, **changes: Any) -> None:
        self.home = home
        self.folder = home / "rollout"
        self.record = record
        self.process: harness.Process | None = None
        self.plan = {
            "id": "test-1",
            "stack": "test",
            "from": "blue",
            "to": "green",
            "schedule": [{"weight": 25, "seconds": 1}, {"weight": 100, "seconds": 1}],
            "socket": str(gateway),
            "record": str(record.path),
            "since": record.since,
            "lease_seconds": 60,
            **changes,
        }

    def start(self) -> None:
        file = self.home / "plan.yaml"
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(self.plan))
        command = [Path(sys.executable).parent / "releve", "rollout", "run", "--plan", file]
        log = self.home / f"rollout-{time.monotonic_ns()}.out"
        self.process = harness.Process([*command, "--state", self.folder], log, dict(os.environ))

    def kill(self) -> None:
        assert self.process is not None
        self.process.send(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop()

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Its whole lines, but for those that tell that a controller began or ended."""
        file = self.folder / "journal.jsonl"
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if entry["event"] not in ("controller", "stopped")]

    @property
    def events(self) -> list[str]:
        return [entry["event"] for entry in self.journal]

    async def until(self, holds: Any, what: str = "", seconds: float = 60.0) -> None:
        """Wait for what only the files tell; says how the process is when it does not come."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            log = "" if self.process is None else self.process.log.read_text()[-3000:]
            raise AssertionError(f"not within {seconds:g} s: {what} {self.events}\n{log}") from None

    async def ended(self, seconds: float = 60.0) -> dict[str, Any]:
        """Its last entry, once that says how it ended."""
        await self.until(lambda: "ended" in self.events, "an end", seconds)
        return self.journal[-1]

    async def answers(self) -> dict[str, Any]:
        """Its status, once it answers."""
        async with asyncio.timeout(60):
            while True:
                try:
                    status = await operator.status(self.folder)
                    if status["controller"]:
                        return status
                except Refused:
                    pass
                await asyncio.sleep(0.02)
