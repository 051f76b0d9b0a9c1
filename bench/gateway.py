"""The gateway against a direct connection, with workers and a server that only speak the protocol.

`make bench NAME=gateway` writes var/bench/gateway.json and, with --growth, gateway-growth.json.
Server, gateway and workers are a process each, as they are in service. What a dispatch takes: from
the server's request to the assignment in the worker's hands, by the machine's one monotonic clock.
Every other dispatch goes to a worker that is connected straight to the server: what disturbs the
machine disturbs both, and the difference is the gateway's.
"""

from __future__ import annotations

import asyncio
import gc
import os
import platform
import signal
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
import yaml

from figures import figure, keep, machine, write
from protocol.load import LoadWorkers
from protocol.server import KEYS, WAYS, server_running

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from ports import free_port

WORKERS, RATE, SECONDS = 2000, 200, 15.0
DIRECT = 20
"""Connected straight to the server, which takes one of them as soon as one of thousands."""
GROWTH = (10, 100, 500, 1000, 2000, 5000)
GROWTH_SECONDS = 4.0
FLIPS = 40
"""At ten a second, while the dispatches go on."""


class GatewayProcess:
    """`releve gateway run` in a process of its own."""

    def __init__(self, home: Path, server_url: str, ports: list[int]) -> None:
        (home / "keys").write_text(f"{KEYS.api_key}: {KEYS.secret}\n")
        self.socket = home / "admin.sock"
        self.ports = {"blue": ports[0], "green": ports[1]}
        settings = {
            "server_url": server_url,
            "media_url": server_url,
            "keys_file": str(home / "keys"),
            "state_file": str(home / "state.json"),
            "admin_socket": str(self.socket),
            "listen_host": "127.0.0.1",
            "ports": self.ports,
            "metrics_port": ports[2],
        }
        (home / "gateway.yaml").write_text(yaml.safe_dump(settings))
        self._home = home
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        command = [sys.executable, "-c", "from releve.cli import main; main()", "gateway", "run"]
        with (self._home / "log").open("w") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, "--config", str(self._home / "gateway.yaml"), stdout=log, stderr=log
            )
        async with asyncio.timeout(20):
            while not self.socket.exists():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def stop(self) -> float:
        """Seconds from SIGTERM to the end."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(self._process.wait(), 30)
        return time.monotonic() - began

    def rss_mb(self) -> float:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def waited(self) -> float:
        """Seconds in which the gateway had something to do and no core to do it on."""
        assert self._process is not None
        _, waited, _ = Path(f"/proc/{self._process.pid}/schedstat").read_text().split()
        return int(waited) / 1e9

    def cpu_seconds(self) -> float:
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def flip(self, green: int) -> float:
        """Milliseconds of one flip by PUT /decisions, as an operator waits for it."""
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession("http://gateway", connector=connector) as session:
            began = time.perf_counter()
            weights = {"blue": 100 - green, "green": green}
            body = {"by": "bench", "epoch": "next", "weights": weights, "allow_unserved": True}
            async with session.put("/decisions", json=body) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            return (time.perf_counter() - began) * 1000


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of all lie at or below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def windows(values: list[float]) -> list[float]:
    """The p99 of each second's worth of dispatches."""
    return [quantile(values[at : at + RATE], 0.99) for at in range(0, len(values) - RATE + 1, RATE)]


async def measured(workers: int, seconds: float, flips: int) -> dict[str, Any]:
    """Dispatches both ways: milliseconds, and the gateway's memory, share of a core and flips."""

    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await stack.enter_async_context(server_running())
        ports = [free_port() for _ in range(3)]
        gateway = GatewayProcess(home, f"ws://127.0.0.1:{server.port}", ports)
        await gateway.start()
        got: dict[str, Any] = {}
        try:
            load = await stack.enter_async_context(LoadWorkers())
            await load.connect([server.port], DIRECT)
            await load.connect([gateway.ports["blue"], gateway.ports["green"]], workers)
            await server.available()
            cpu, waited, began = gateway.cpu_seconds(), gateway.waited(), time.monotonic()
            asked = await server.storm(RATE, seconds)
            lasted = time.monotonic() - began
            core, waited = gateway.cpu_seconds() - cpu, gateway.waited() - waited
            took = {way: await load.took(asked[way]) for way in WAYS}
            flipped = []
            storm = asyncio.create_task(server.storm(RATE, flips / 10 + 1)) if flips else None
            for number in range(flips):
                flipped.append(await gateway.flip(100 if number % 2 == 0 else 0))
                await asyncio.sleep(0.1)
            if storm is not None:
                await load.took((await storm)["gateway"])
            got = {"ms": took, "rss": gateway.rss_mb(), "flips": flipped}
            got |= {"core": core / lasted, "waited": waited / lasted}
        finally:
            ended = await gateway.stop()
        return got | {"end": ended}


async def main() -> None:
    gc.disable()  # this process's pauses are nobody's latency
    busy = os.getloadavg()[0]
    with_it = await measured(WORKERS, SECONDS, FLIPS)
    both: dict[str, list[float]] = with_it["ms"]
    figures = {
        "workers": figure(WORKERS, ""),
        "dispatches_per_second": figure(RATE, "1/s"),
        "dispatches": figure(len(both["gateway"]), ""),
    }
    for name, values in both.items():
        figures[f"{name}_p50"] = figure(statistics.median(values), "ms")
        figures[f"{name}_p99"] = figure(quantile(values, 0.99), "ms")
    added = {
        share: quantile(both["gateway"], share) - quantile(both["direct"], share)
        for share in (0.5, 0.99)
    }
    figures["added_p50"] = figure(added[0.5], "ms")
    figures["added_p99"] = figure(added[0.99], "ms", 2.0)
    # A bad moment of the machine's is in one second's p99, and in no other's.
    calm = {name: statistics.median(windows(values)) for name, values in both.items()}
    figures["added_p99_median_of_windows"] = figure(calm["gateway"] - calm["direct"], "ms")
    figures["memory"] = figure(with_it["rss"], "MB", 200.0)
    figures["cpu"] = figure(with_it["core"] * 100, "% of a core")
    figures["waited_for_a_core"] = figure(with_it["waited"] * 100, "% of the time")
    figures["flip_p50"] = figure(statistics.median(with_it["flips"]), "ms")
    figures["flip_longest"] = figure(max(with_it["flips"]), "ms", 50.0)
    figures["end_after_sigterm"] = figure(with_it["end"], "s", 2.0)
    figures["load_of_the_machine_before"] = figure(busy, "processes")
    versions = f"Python {platform.python_version()}"
    if "--growth" in sys.argv:
        await growth(versions)
    write("gateway", versions, figures)


async def growth(versions: str) -> None:
    """The same at several sizes, for the plot in docs."""
    rows = []
    for workers in GROWTH:
        got = await measured(workers, GROWTH_SECONDS, 0)
        ms = got["ms"]
        rows.append(
            {
                "workers": workers,
                "p50_ms": round(statistics.median(ms["gateway"]), 3),
                "p99_ms": round(quantile(ms["gateway"], 0.99), 3),
                "direct_p99_ms": round(quantile(ms["direct"], 0.99), 3),
                "memory_mb": round(got["rss"], 1),
                "core_percent": round(got["core"] * 100, 1),
            }
        )
        print(rows[-1], flush=True)
    keep("gateway-growth", {"machine": machine(versions), "rate": RATE, "rows": rows})


if __name__ == "__main__":
    uvloop.run(main())
