"""Live adoption: move a running worker from the server to the gateway without touching its calls.

Method (measured, docs/how-it-works.md): where the worker is, new connections to the server are
redirected to the gateway, then only the worker's own connection is cut. The worker reconnects, and
registers at the gateway. The rules are removed at once, so that after a later failure of the
gateway the worker reconnects to the server. Jobs run in processes of their own with sockets of
their own, which are never touched.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .command import AdoptionError, ProcessGone, RuleLeftError, Run, run
from .connections import Connection, Endpoint, parse_connections, worker_connection
from .group import Group

MARK = "releve-adoption"
# The kernel translates addresses, also those of connections that stand, only as long as some rule
# does so in that network (seen on Linux 6.18). Where ours was the only one, the worker's connection
# would be dead without a word: then a rule stays that matches nothing.
KEEPS = "releve-keeps-translation"
TRANSLATES = {"DNAT", "SNAT", "REDIRECT", "MASQUERADE"}
NOWHERE = {"iptables": "255.255.255.255/32", "ip6tables": "::/128"}
LOOKS = 5
IPV6 = Path("/proc/net/if_inet6")  # empty or absent where the host has none


@dataclass(frozen=True)
class Rule:
    """New connections to one place, and where they are led to, in iptables' words."""

    tool: str
    match: tuple[str, ...]
    jump: tuple[str, ...]


@dataclass(frozen=True)
class Way:
    """How a worker reaches the server, and how it is led to the gateway instead.

    `mark` tells the rules of this stack from others in the same network.
    """

    server: Endpoint
    rules: tuple[Rule, ...]
    mark: str = MARK
    group: Group | None = None

    @property
    def ends(self) -> list[Endpoint]:
        """The addresses by which the worker may be connected to the server."""
        if not self.server.loopback:
            return [self.server]
        port = self.server.port
        return list(
            dict.fromkeys([self.server, Endpoint("127.0.0.1", port), Endpoint("::1", port)])
        )


def in_its_own_network(server: Endpoint, gateway: Endpoint) -> Way:
    """Of a worker in a network namespace where nobody else is."""
    match = ("--destination", server.address, "--dport", str(server.port))
    return Way(server, (Rule("iptables", match, ("DNAT", "--to-destination", str(gateway))),))


def on_the_hosts_network(server: Endpoint, gateway_port: int, stack: str, group: Group) -> Way:
    """Of a worker beside everything else of the host: only connections of `group` are led away."""
    family = "ip6tables" if ":" in server.address else "iptables"
    places = loopback() if server.loopback else {family: server.address}
    rules = (
        Rule(
            tool,
            ("--destination", to, "--dport", str(server.port), *caught(group.path)),
            ("REDIRECT", "--to-ports", str(gateway_port)),
        )
        for tool, to in places.items()
    )
    return Way(server, tuple(rules), f"{MARK}-{stack}", group)


def loopback() -> dict[str, str]:
    """The tool and place of each. `localhost` is both, and a worker may come back by the other."""
    ipv6 = {"ip6tables": "::1"} if IPV6.exists() and IPV6.read_text() else {}
    return {"iptables": "127.0.0.0/8"} | ipv6


def caught(path: str) -> tuple[str, ...]:
    """The part of a rule that names a cgroup."""
    return ("--match", "cgroup", "--path", path)


class Redirect:
    """Redirects new connections to the server to the gateway where a process is."""

    def __init__(self, pid: int, way: Way, execute: Run = run) -> None:
        """`pid` is the first process of the agent's container."""
        self._pid = pid
        self._way = way
        self._execute = execute
        self._worker: int | None = None

    def _inside(self, *argv: str) -> str:
        return self._execute(["nsenter", "--target", str(self._pid), "--net", *argv])

    def _rule(self, verb: str, rule: Rule) -> list[str]:
        return [
            *(rule.tool, "--wait", "2", "--table", "nat", verb, "OUTPUT"),
            *("--protocol", "tcp", "--syn", *rule.match),
            *("--match", "comment", "--comment", self._way.mark, "--jump", *rule.jump),
        ]

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """The rules exist inside the `with` block and are removed after it. Raises RuleLeftError,
        which says how to remove them by hand, if that fails."""
        with contextlib.ExitStack() as stack:
            if self._way.group is not None:
                stack.enter_context(self._way.group.open())
            for rule in self._way.rules:
                self._keep_translation(rule.tool)
                self._inside(*self._rule("--insert", rule))
                stack.callback(self._delete, rule)
            yield

    def _keep_translation(self, tool: str) -> None:
        table = (tool, "--wait", "2", "--table", "nat")
        listed = self._inside(*table, "--list-rules").splitlines()
        jumps = {words[words.index("-j") + 1] for line in listed if "-j" in (words := line.split())}
        if jumps & TRANSLATES:
            return
        match = ("--protocol", "tcp", "--destination", NOWHERE[tool], "--dport", "1")
        comment = ("--match", "comment", "--comment", KEEPS)
        jump = ("--jump", "REDIRECT", "--to-ports", "1")
        self._inside(*table, "--append", "OUTPUT", *match, *comment, *jump)

    def _delete(self, rule: Rule) -> None:
        deletion = self._rule("--delete", rule)
        try:
            self._inside(*deletion)
        except AdoptionError as error:
            raise RuleLeftError(
                f"blue's new connections still go to the gateway, and it may be behind it: the "
                f"rule that leads it there could not be removed ({error}). Remove it by "
                f"`nsenter --target {self._pid} --net {shlex.join(deletion)}`, then run again"
            ) from error

    def left_rules(self) -> list[tuple[str, list[str]]]:
        """Rules that an adoption left which was killed: the tool, and what it lists."""
        found = []
        for tool in dict.fromkeys(rule.tool for rule in self._way.rules):
            table = (tool, "--wait", "2", "--table", "nat")
            for line in self._inside(*table, "--list-rules", "OUTPUT").splitlines():
                words = shlex.split(line)
                if "--comment" in words and words[words.index("--comment") + 1] == self._way.mark:
                    found.append((tool, words[1:]))
        return found

    def sweep(self) -> bool:
        """Remove them; whether there were any. Raises AdoptionError where one stays."""
        left = self.left_rules()
        for tool, rule in left:
            self._inside(tool, "--wait", "2", "--table", "nat", "--delete", *rule)
        if self._way.group is not None:
            self._way.group.sweep()
        return bool(left)

    def cut_worker(self) -> None:
        """Cut the worker's own connection; it will connect again by itself.

        A second cut is of the same process only: while the worker is between two connections,
        the nearest one to the server is a call's.
        """
        own = self._find_worker()
        self._worker = own.pid
        if self._way.group is not None:
            self._way.group.take(own.pid)
        # Both ends in full: on the host's network another socket may have this port or that one.
        self._inside("ss", "-K", "src", str(own.here), "dst", str(own.there))

    def _find_worker(self) -> Connection:
        """Repeats when a job process ends between the listing and its inspection."""
        for looks_left in reversed(range(LOOKS)):
            found = []
            for end in self._way.ends:
                listing = self._inside("ss", "-Htnp", "state", "established", "dst", str(end))
                found += parse_connections(listing)
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
