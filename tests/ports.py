"""Ports for what tests start."""

from __future__ import annotations

import itertools
import random
import socket
from contextlib import suppress

# Below those that Linux gives to outgoing connections (ip(7), ip_local_port_range): any program
# here would take one of them between this module's answer and the server that is started on it.
_TURN = itertools.cycle(random.sample(range(20_000, 32_000), 12_000))


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody has, and that this process was not told before."""
    while True:
        port = next(_TURN)
        with suppress(OSError), socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", port))
            return port
