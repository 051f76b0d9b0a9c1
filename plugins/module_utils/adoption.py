"""Live adoption: move a running worker from the server to the gateway without touching its calls.

Method (measured, docs/how-it-works.md): inside the worker's network namespace new connections to
the server are redirected to the gateway (DNAT), then only the worker's own connection is cut. The
worker reconnects, and registers at the gateway. The rule is removed at once, so that after a later
failure of the gateway the worker reconnects to the server. Jobs run in processes of their own with
sockets of their own, which are never touched.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import proc

TOOLS = ("nsenter", "ss", "iptables")
CUT_SECONDS = 1.0
MARK = "releve-adoption"
LOOKS = 5

Run = Callable[[list[str]], str]


class AdoptionError(Exception):
    """Nothing was changed, or what was changed is undone; the message says why."""


class ProcessGone(AdoptionError):
    """A process ended while it was inspected, as job processes do."""


class RuleLeftError(Exception):
    """The DNAT rule could not be removed: the worker cannot reconnect to the server."""


@dataclass(frozen=True)
class Endpoint:
    """An IPv4 address and a TCP port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Connection:
    """One established connection: the local port and the process that holds it."""

    port: int
    pid: int


def run(argv: list[str]) -> str:
    """Standard output of a command; raises AdoptionError with what it said when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise AdoptionError(f"{argv[0]} failed: {said[-1] if said else done.returncode}")
    return done.stdout


def can_cut_sockets(execute: Run = run) -> bool:
    """Whether `ss -K` works here, tried on a loopback connection of our own.

    Reads the socket instead of a listing, which may show the other end for a moment longer.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        client.settimeout(CUT_SECONDS)
        there = server.getsockname()[1]
        with contextlib.suppress(AdoptionError):
            execute(["ss", "-K", "dst", "127.0.0.1", "dport", "=", f":{there}"])
        try:
            client.recv(1)
        except TimeoutError:
            return False
        except OSError:  # ECONNABORTED, as a worker whose connection is cut reads it
            return True
        return False


def obstacle(of_the_agent: str | None, execute: Run = run) -> str | None:
    """Why live adoption cannot work on this host, or for what is known of the agent, or None."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"this host has no {', '.join(missing)} (packages util-linux, iproute2, iptables)"
    if of_the_agent:
        return of_the_agent
    if not can_cut_sockets(execute):
        return "`ss -K` has no effect (not root, or a kernel without INET_DIAG_DESTROY)"
    return None


def parse_connections(text: str) -> list[Connection]:
    """Connections from `ss -Htnp` lines; one per process that holds the socket."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 5:
            continue
        port = int(fields[2].rsplit(":", 1)[1])
        found += [Connection(port, int(pid)) for pid in re.findall(r"pid=(\d+)", line)]
    return found


def parent_of(pid: int) -> int:
    """The parent's process id, 0 at the top. Raises ProcessGone."""
    try:
        return int(proc.stat(proc.path(pid))[1])
    except OSError as error:
        raise ProcessGone(f"process {pid} ended meanwhile; run again") from error


def worker_connection(
    connections: list[Connection], top: int, parent: Callable[[int], int] = parent_of
) -> Connection:
    """The worker's own connection: the one held by the process nearest to the container's first.

    Raises AdoptionError when that is not exactly one, because then it could be a call's.
    """

    def depth(pid: int) -> int:
        steps = 0
        while pid not in (top, 0):
            pid, steps = parent(pid), steps + 1
        return steps

    if not connections:
        raise AdoptionError("the agent has no connection to the server; is it registered?")
    depths = {item: depth(item.pid) for item in connections}
    nearest = [item for item, steps in depths.items() if steps == min(depths.values())]
    if len(nearest) != 1:
        raise AdoptionError(
            f"the agent's main process holds {len(nearest)} connections to the server, and one "
            "may be a call's; only agents with a process per job can be adopted"
        )
    return nearest[0]


class Redirect:
    """Redirects new connections to the server, in one network namespace, to the gateway."""

    def __init__(self, pid: int, server: Endpoint, gateway: Endpoint, execute: Run = run) -> None:
        self._pid = pid
        self._server = server
        self._gateway = gateway
        self._execute = execute
        self._worker: int | None = None

    def _inside(self, *argv: str) -> str:
        return self._execute(["nsenter", "--target", str(self._pid), "--net", *argv])

    def _rule(self, verb: str) -> list[str]:
        return [
            *("iptables", "--wait", "2", "--table", "nat", verb, "OUTPUT"),
            *("--protocol", "tcp", "--syn", "--destination", self._server.address),
            *("--dport", str(self._server.port), "--match", "comment", "--comment", MARK),
            *("--jump", "DNAT", "--to-destination", str(self._gateway)),
        ]

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """The DNAT rule exists inside the `with` block and is removed after it. Raises
        RuleLeftError, which says how to remove it by hand, if that fails."""
        self._inside(*self._rule("--insert"))
        try:
            yield
        finally:
            deletion = self._rule("--delete")
            try:
                self._inside(*deletion)
            except AdoptionError as error:
                raise RuleLeftError(
                    f"blue's new connections still go to the gateway, and it may be behind it: the "
                    f"rule that leads it there could not be removed ({error}). Remove it by "
                    f"`nsenter --target {self._pid} --net {' '.join(deletion)}`, then run again"
                ) from error

    def left_rules(self) -> list[list[str]]:
        """Rules that an adoption left which was killed, as iptables lists them."""
        table = ("iptables", "--wait", "2", "--table", "nat")
        listed = self._inside(*table, "--list-rules", "OUTPUT")
        return [shlex.split(line)[1:] for line in listed.splitlines() if MARK in line]

    def sweep(self) -> bool:
        """Remove them; whether there were any. Raises AdoptionError where one stays."""
        left = self.left_rules()
        for rule in left:
            self._inside("iptables", "--wait", "2", "--table", "nat", "--delete", *rule)
        return bool(left)

    def cut_worker(self) -> None:
        """Cut the worker's own connection; it will connect again by itself.

        A second cut is of the same process only: while the worker is between two connections,
        the nearest one to the server is a call's.
        """
        own = self._find_worker()
        self._worker = own.pid
        self._inside("ss", "-K", "dst", str(self._server), "sport", "=", f":{own.port}")

    def _find_worker(self) -> Connection:
        """Repeats when a job process ends between the listing and its inspection."""
        for looks_left in reversed(range(LOOKS)):
            listing = self._inside("ss", "-Htnp", "state", "established", "dst", str(self._server))
            found = parse_connections(listing)
            if self._worker is not None:
                found = [item for item in found if item.pid == self._worker]
            try:
                return worker_connection(found, self._pid)
            except ProcessGone:
                if not looks_left:
                    raise
        raise AssertionError("unreachable: the last look returns or raises")


def adopt(redirect: Redirect, registered: Callable[[], None]) -> None:
    """Move the worker. `registered` waits until it is registered at the gateway, and raises if it
    is not: then the worker is moved back to the server and the error is raised again."""
    with redirect.open():
        redirect.cut_worker()
        try:
            registered()
            return
        except Exception as error:
            failure = error
    with contextlib.suppress(
        AdoptionError
    ):  # it may have no connection now, and reconnects by itself
        redirect.cut_worker()
    raise failure
