"""Where a connection leads: to a server, to Relève's gateway, through a proxy, or off this host."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from .processes import Process, Processes
from .sockets import End, Socket, Sockets

HOPS = 4  # Docker's proxy, the user's own, Docker's again; more would be a circle


@dataclass(frozen=True)
class Route:
    """`seen` is the address that the process believes to be connected to.

    `last` is the process at the end that we know: a server, a gateway, a stranger, or None where
    the connection leaves this host. `through` are the proxies in between.
    """

    seen: End
    last: Process | None
    through: tuple[Process, ...] = ()
    known: bool = False


class Routes:
    """Follows connections over this host's processes; `ends` are the servers and gateways."""

    def __init__(self, processes: Processes, sockets: Sockets, ends: Collection[int]) -> None:
        self._processes = processes
        self._sockets = sockets
        self._ends = frozenset(ends)

    def of(self, process: Process) -> list[Route]:
        """Of the connections that a process has opened; those that end where we know first."""
        found = [self._follow(process, socket, ()) for socket in self._opened(process)]
        return sorted(found, key=lambda one: (not one.known, len(one.through), str(one.seen)))

    def _follow(self, process: Process, socket: Socket, before: tuple[Process, ...]) -> Route:
        peer = self._sockets.peer(process, socket)
        seen = socket.there
        if peer is None:
            return Route(seen, None, before)
        if end := self._end(peer):
            return Route(seen, end, before, known=True)
        if len(before) == HOPS:
            return Route(seen, peer, before)
        onward = [self._follow(peer, each, (*before, peer)) for each in self._opened(peer)]
        best = next((one for one in onward if one.known), None)
        if best is None:
            return Route(seen, peer, before)
        return Route(seen, best.last, best.through, known=True)

    def _end(self, process: Process) -> Process | None:
        """Itself or whom it works for, when that is a server or a gateway."""
        family = (process, *self._processes.above(process.pid))
        return next((one for one in family if one.pid in self._ends), None)

    def _opened(self, process: Process) -> list[Socket]:
        own = {end.port for end in self._sockets.listening(process)}
        return [one for one in self._sockets.connected(process) if one.here.port not in own]
