"""Relays for UDP and TCP in this process, which can block traffic.

Traffic passes while the event `clear` is set. Blocked UDP packets are dropped; TCP data are held
back, as TCP would send them again.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

Address = tuple[str, int]

LARGEST = 65_536


class UdpRelay:
    """UDP relay from `address` to one target, with a port of its own for each sender."""

    def __init__(self, here: str, target: Address, clear: asyncio.Event) -> None:
        """Listen on a free port of the address `here`. Raises OSError."""
        self._target, self._clear = target, clear
        self._front = _socket()
        self._front.bind((here, 0))
        self.address: Address = self._front.getsockname()
        self._backs: dict[Address, socket.socket] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._front, self._to_server)

    def close(self) -> None:
        for held in (self._front, *self._backs.values()):
            self._loop.remove_reader(held)
            held.close()

    def _to_server(self) -> None:
        # A packet that cannot be received or sent counts as lost.
        with suppress(OSError):
            data, writer = self._front.recvfrom(LARGEST)
            if self._clear.is_set():
                self._socket_for(writer).send(data)

    def _socket_for(self, writer: Address) -> socket.socket:
        back = self._backs.get(writer)
        if back is None:
            back = self._backs[writer] = _socket()
            back.connect(self._target)
            self._loop.add_reader(back, self._to_caller, back, writer)
        return back

    def _to_caller(self, back: socket.socket, writer: Address) -> None:
        with suppress(OSError):
            data = back.recv(LARGEST)
            if self._clear.is_set():
                self._front.sendto(data, writer)


def _socket() -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    held.setblocking(False)
    return held


class TcpRelay:
    """TCP relay from `address` to one target."""

    def __init__(self, target: Address, clear: asyncio.Event) -> None:
        self.address: Address = ("", 0)
        self._target, self._clear = target, clear
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def listen(self, here: str) -> None:
        """Listen on a free port of the address `here`. Raises OSError."""
        self._server = await asyncio.start_server(self._connect, here, 0)
        self.address = self._server.sockets[0].getsockname()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            back_reader, back_writer = await asyncio.open_connection(*self._target)
        except OSError:  # connection refused at the target: close this side, too
            writer.close()
            return
        self._writers.add(back_writer)
        await asyncio.gather(self._copy(reader, back_writer), self._copy(back_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(LARGEST):
                await self._clear.wait()
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            return  # one side closed; closing the writer tells the other
        finally:
            writer.close()
