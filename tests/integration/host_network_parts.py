"""Programs beside each other in one network, as on a host: server, gateway, proxy, agent.

Run as `python host_network_parts.py <part> …`; each says what happens to it, a line at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

SERVER, GATEWAY = 7880, 7890
HELD = 200


def say(*words: object) -> None:
    print(*words, flush=True)


async def listen(name: str, port: int, host: str | None) -> None:
    """Tells everybody its name, and says who came."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{name}\n".encode())
        say((await reader.readline()).decode().strip())
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    servers = [await asyncio.start_server(serve, one, port) for one in (host or "").split(",")]
    say("listening")
    await asyncio.gather(*(each.serve_forever() for each in servers))


async def connect(
    who: str, address: str = "127.0.0.1"
) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
    """Who is there, and the connection."""
    reader, writer = await asyncio.open_connection(address, SERVER)
    writer.write(f"{who}\n".encode())
    return (await reader.readline()).decode().strip(), reader, writer


async def stay(who: str, address: str) -> None:
    """Connected for good, again at once when cut."""
    while True:
        try:
            there, reader, writer = await connect(who, address)
            say(f"{who} is at {there} from {writer.get_extra_info('peername')[0]}")
            await reader.read()
        except OSError as error:
            say(f"{who}: {type(error).__name__}")
            await asyncio.sleep(0.05)
        else:
            say(f"{who} was cut")


async def beside() -> None:
    """The user's proxy: holds many connections, and opens a new one all the time."""

    async def held() -> None:
        there, reader, _ = await connect("caller")
        ready.append(there)
        if len(ready) == HELD:
            complete.set()
        with contextlib.suppress(OSError):
            await reader.read()
        say("cut")

    ready: list[str] = []
    complete = asyncio.Event()
    tasks = [asyncio.create_task(held()) for _ in range(HELD)]
    await complete.wait()
    say("ready", *set(ready))
    while True:
        there, _, writer = await connect("caller")
        say("new", there)
        writer.close()
        await asyncio.sleep(0.005)
    del tasks


def main(part: str, *more: str) -> None:
    if part == "top":  # as a container's first process: the worker is below it, the call below that
        group, address = more
        if group:
            Path(group).write_text(str(os.getpid()))
        subprocess.run([sys.executable, __file__, "worker", address], check=False)
    elif part == "worker":
        with subprocess.Popen([sys.executable, __file__, "call", *more]):
            asyncio.run(stay("worker", *more))
    elif part == "call":
        asyncio.run(stay("call", *more))
    elif part == "beside":
        asyncio.run(beside())
    else:
        asyncio.run(listen(part, int(more[0]), more[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
