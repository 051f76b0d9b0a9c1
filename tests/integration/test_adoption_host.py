"""Adoption on the host's network, beside a busy proxy: in a network namespace, as a host's."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from integration import harness
from integration.host_network_parts import GATEWAY, HELD, SERVER
from module_utils.adoption.command import AdoptionError, RuleLeftError
from module_utils.adoption.connections import Endpoint
from module_utils.adoption.group import Group, root
from module_utils.adoption.obstacles import cannot_catch
from module_utils.adoption.redirect import Redirect, adopt, on_the_hosts_network

PARTS = Path(__file__).with_name("host_network_parts.py")
CONTAINER = secrets.token_hex(32)
Start = Callable[..., harness.Process]


def lines(process: harness.Process) -> list[str]:
    return process.log.read_text().splitlines()


def until(holds: Callable[[], bool], *processes: harness.Process) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        for one in processes:
            assert not one.died(), one.died()
        assert time.monotonic() < deadline, [lines(one)[-5:] for one in processes]
        time.sleep(0.02)


@pytest.fixture
def containers_group() -> Iterator[Path]:
    """As an engine makes it for a container."""
    folder = root() / f"releve-test-{os.getpid()}" / f"docker-{CONTAINER}.scope"
    folder.mkdir(parents=True)
    yield folder
    deadline = time.monotonic() + 60
    while (folder / "cgroup.procs").read_text():  # processes that were killed are not gone at once
        assert time.monotonic() < deadline
        time.sleep(0.02)
    folder.rmdir()
    folder.parent.rmdir()


@pytest.fixture
def start(tmp_path: Path, containers_group: Path) -> Iterator[Start]:
    """Programs of host_network_parts.py in a network namespace."""
    name, started = f"releve-test-{os.getpid()}", list[harness.Process]()

    def run(part: str, *more: str) -> harness.Process:
        # Not `ip netns exec`, which has a /sys of its own, without cgroups.
        inside = ["nsenter", f"--net=/run/netns/{name}"]
        command = [*inside, sys.executable, str(PARTS), part, *more]
        log = tmp_path / f"{len(started)}-{part}.out"
        started.append(harness.Process([*command], log, dict(os.environ)))
        return started[-1]

    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield run
    finally:
        for each in started:
            each.stop()
        subprocess.run(["ip", "netns", "delete", name], check=True)


class Site:
    """Everything that is on such a host, connected."""

    def __init__(self, start: Start, group: Path | None, address: str = "127.0.0.1") -> None:
        self.server = start("server", str(SERVER), "0.0.0.0,::")
        self.gateway = start("gateway", str(GATEWAY), "127.0.0.1,::1")
        until(lambda: all(lines(one) for one in (self.server, self.gateway)), self.server)
        self.beside = start("beside")
        own = str(group / "cgroup.procs") if group else ""
        self.agent = start("top", own, address)
        until(lambda: len(lines(self.agent)) == 2 and self.new() > 5, self.agent, self.beside)
        place = next(line for line in lines(self.agent) if line.startswith("worker"))
        assert "is at server" in place
        self.seen = Endpoint(place.rpartition(" ")[2].removeprefix("::ffff:"), SERVER)

    @property
    def top(self) -> int:
        return self.agent.pid

    def new(self) -> int:
        return sum(line.startswith("new") for line in lines(self.beside))

    def redirect(self) -> Redirect:
        group = Group(self.top, CONTAINER)
        return Redirect(self.top, on_the_hosts_network(self.seen, GATEWAY, "shop", group))

    def registered(self) -> None:
        """And some callers came meanwhile."""
        before = self.new()
        until(lambda: "worker" in lines(self.gateway), self.agent)
        until(lambda: self.new() > before + 5, self.beside)

    def rules(self) -> str:
        inside = ["nsenter", f"--target={self.top}", "--net"]
        return "".join(
            subprocess.run(
                [*inside, tool, "-t", "nat", "-S"], capture_output=True, text=True, check=True
            ).stdout
            for tool in ("iptables", "ip6tables")
        )

    def unharmed(self) -> None:
        """Nobody else was cut or led astray, the call of the agent neither."""
        said = Counter(lines(self.beside))
        assert said.pop("ready server") == 1
        assert said.keys() == {"new server"}, said
        assert [line for line in lines(self.agent) if line.startswith("call")] == [
            line for line in lines(self.agent) if line.startswith("call is at server")
        ]
        assert len([line for line in lines(self.agent) if line.startswith("call")]) == 1
        assert set(lines(self.gateway)) <= {"listening", "worker"}
        assert "releve-adoption" not in self.rules()


@pytest.mark.parametrize(
    ("own_group", "address"),
    [(True, "127.0.0.1"), (False, "::1")],
    ids=["the engine's group", "a lent group, IPv6"],
)
def test_only_the_worker_is_moved_beside_two_hundred_others(
    start: Start, containers_group: Path, own_group: bool, address: str
) -> None:
    assert cannot_catch() is None
    site = Site(start, containers_group if own_group else None, address)
    adopt(site.redirect(), site.registered)
    assert lines(site.server).count("caller") >= HELD
    site.unharmed()
    # Without its gateway it is the server's again: the way there is gone.
    site.gateway.stop()
    until(lambda: "worker is at server" in lines(site.agent)[-1], site.agent)


def test_a_worker_that_does_not_register_is_led_back_and_nobody_else_notices(
    start: Start, containers_group: Path
) -> None:
    site = Site(start, containers_group)

    def never() -> None:
        site.registered()
        raise AdoptionError("it registers under another key")

    with pytest.raises(AdoptionError, match="another key"):
        adopt(site.redirect(), never)
    until(lambda: "worker is at server" in lines(site.agent)[-1], site.agent)
    site.unharmed()


def test_a_killed_adoption_leaves_what_the_next_one_removes(
    start: Start, containers_group: Path
) -> None:
    site = Site(start, containers_group)
    opened = site.redirect().open()
    opened.__enter__()  # and never left
    assert "releve-adoption-shop" in site.rules()
    assert site.redirect().sweep()
    assert "releve-adoption" not in site.rules()
    assert not site.redirect().sweep()
    with pytest.raises(RuleLeftError):  # there is none any more
        opened.__exit__(None, None, None)


def test_this_host_has_the_tools() -> None:
    assert all(map(shutil.which, ("ip", "ip6tables", "unshare")))
