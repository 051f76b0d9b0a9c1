"""Live adoption: which socket is cut, and that the rule never outlives the attempt."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from certificate import write_certificate
from module_utils.adoption import command, connections, obstacles
from module_utils.adoption.command import AdoptionError, ProcessGone, RuleLeftError
from module_utils.adoption.connections import Connection, Endpoint
from module_utils.adoption.group import Group
from module_utils.adoption.redirect import (
    Redirect,
    Way,
    adopt,
    in_its_own_network,
    on_the_hosts_network,
)

# Container's first process 100 (an init), worker 110, its forkserver 115, two calls 120 and 121.
TREE = {100: 1, 110: 100, 115: 110, 120: 115, 121: 115, 111: 100, 900: 1, 1: 0}
# Docker's own name service, in a network that has one.
OF_DOCKER = "-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -j DNAT --to-destination 127.0.0.11:1\n"
# As iproute2 prints `ss -Htnp state established`: no state column, padded, trailing space.
WORKER = (
    '0      0          172.18.0.3:48322    172.18.0.2:7880  users:(("python",pid=110,fd=9))    \n'
)
CALLS = (
    '0      0          172.18.0.3:48330    172.18.0.2:7880  users:(("job proc",pid=120,fd=21))\n'
    '0      52         172.18.0.3:48338    172.18.0.2:7880  users:(("python",pid=121,fd=22))\n'
)
LOOPBACK_6 = '0 0 [::1]:5000 [::1]:7880 users:(("python",pid=110,fd=9))\n'
ONE_CALL = CALLS.splitlines(keepends=True)[0]


@pytest.fixture(autouse=True)
def tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.worker_connection, "__defaults__", (TREE.__getitem__,))


class Host:
    """Records commands; `listings` are the answers to the socket listings, the last one stays."""

    def __init__(self, *listings: str, broken: Callable[[list[str]], bool] = lambda _: False):
        self.listings = list(listings)
        self.broken = broken
        self.ran: list[list[str]] = []
        self.rules = OF_DOCKER

    def __call__(self, argv: list[str]) -> str:
        assert argv[:4] == ["nsenter", "--target", "100", "--net"]
        inside = argv[4:]
        self.ran.append(inside)
        if self.broken(inside):
            raise AdoptionError("it failed")
        if "--list-rules" in inside:
            return self.rules
        if inside[:2] == ["ss", "-Htnp"]:
            return self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]
        return ""

    @property
    def story(self) -> list[str]:
        """What changed, in order: insert, delete, or the source port of a cut."""
        words = []
        for argv in self.ran:
            if "tables" in argv[0]:
                words += [verb for verb in ("insert", "delete", "append") if f"--{verb}" in argv]
            elif argv[1] == "-K":
                words.append(f":{argv[3].rpartition(':')[2]}")
        return words

    def redirect(self, way: Way | None = None) -> Redirect:
        own = in_its_own_network(Endpoint("172.18.0.2", 7880), Endpoint("172.18.0.9", 7890))
        return Redirect(100, way or own, self)


def held(port: int, pid: int) -> Connection:
    return Connection(Endpoint("172.18.0.3", port), Endpoint("172.18.0.2", 7880), pid)


def registered() -> None:
    """The worker stands at the gateway."""


def wrong_name() -> None:
    raise RuntimeError("the worker registers with another name")


def test_a_worker_is_led_over_with_one_cut_and_the_rule_is_gone() -> None:
    host = Host(WORKER + CALLS)
    seen: list[list[str]] = []
    adopt(host.redirect(), lambda: seen.append(host.story))
    assert seen == [["insert", ":48322"]], "the rule stands until the worker is registered"
    assert host.story == ["insert", ":48322", "delete"]


def test_a_call_that_ends_while_it_is_looked_at_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parent(pid: int) -> int:
        if pid == 120:
            raise ProcessGone("process 120 ended meanwhile")
        return TREE[pid]

    monkeypatch.setattr(connections.worker_connection, "__defaults__", (parent,))
    host = Host(WORKER + CALLS, WORKER)
    adopt(host.redirect(), registered)
    assert host.story == ["insert", ":48322", "delete"]


def test_the_rule_that_is_deleted_is_the_rule_that_was_inserted() -> None:
    host = Host(WORKER)
    adopt(host.redirect(), registered)
    first, last = host.ran[1], host.ran[-1]
    assert [word.replace("--insert", "--delete") for word in first] == last
    rule = " ".join(first)
    assert "--syn" in first, "connections that exist are never redirected"
    assert "--destination 172.18.0.2 --dport 7880" in rule
    assert rule.endswith("--jump DNAT --to-destination 172.18.0.9:7890")


def test_where_no_other_rule_translates_addresses_one_stays_that_matches_nothing() -> None:
    """Without it the worker's new connection would be dead as soon as its rule is gone."""
    host = Host(WORKER)
    host.rules = "-P OUTPUT ACCEPT\n"
    adopt(host.redirect(), registered)
    assert host.story == ["append", "insert", ":48322", "delete"]
    stays = next(" ".join(argv) for argv in host.ran if "--append" in argv)
    assert "--destination 255.255.255.255/32 --dport 1" in stays
    assert "--comment releve-keeps-translation --jump REDIRECT" in stays


def test_a_worker_that_stands_wrong_at_the_gateway_is_led_back() -> None:
    host = Host(WORKER + CALLS, WORKER.replace("48322", "48400") + CALLS)
    with pytest.raises(RuntimeError, match="another name"):
        adopt(host.redirect(), wrong_name)
    assert host.story == ["insert", ":48322", "delete", ":48400"]


@pytest.mark.parametrize("left", ["", ONE_CALL, CALLS])
def test_leading_back_a_worker_between_two_connections_cuts_no_call(left: str) -> None:
    host = Host(WORKER + left, left)
    with pytest.raises(RuntimeError, match="another name"):
        adopt(host.redirect(), wrong_name)
    assert host.story == ["insert", ":48322", "delete"]


@pytest.mark.parametrize("then", [registered, wrong_name])
def test_a_rule_that_cannot_be_deleted_is_told_with_the_command_that_does_it(
    then: Callable[[], None],
) -> None:
    host = Host(WORKER + CALLS, broken=lambda argv: "--delete" in argv)
    with pytest.raises(RuleLeftError, match="may be behind it") as told:
        adopt(host.redirect(), then)
    assert "nsenter --target 100 --net iptables --wait 2 --table nat --delete" in str(told.value)


def test_when_the_cut_fails_the_rule_is_deleted() -> None:
    host = Host(WORKER, broken=lambda argv: "-K" in argv)
    with pytest.raises(AdoptionError, match="it failed"):
        adopt(host.redirect(), registered)
    assert host.story == ["insert", ":48322", "delete"]


def test_without_a_rule_nothing_is_cut() -> None:
    host = Host(WORKER, broken=lambda argv: "--insert" in argv)
    with pytest.raises(AdoptionError, match="it failed"):
        adopt(host.redirect(), registered)
    assert host.story == ["insert"]


def test_a_rule_that_a_killed_adoption_left_is_removed_and_no_other() -> None:
    host = Host(WORKER)
    ours = (
        "-d 172.18.0.2/32 -p tcp -m tcp --dport 7880 --tcp-flags FIN,SYN,RST,ACK SYN -m comment "
        "--comment releve-adoption -j DNAT --to-destination 172.18.0.9:7890"
    )
    host.rules = (
        f"-P OUTPUT ACCEPT\n-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT\n-A OUTPUT {ours}\n"
    )
    assert host.redirect().sweep()
    table = "iptables --wait 2 --table nat --delete OUTPUT "
    assert [" ".join(each) for each in host.ran[1:]] == [table + ours]


def test_where_no_adoption_was_killed_nothing_is_removed() -> None:
    host = Host(WORKER)
    host.rules = "-P OUTPUT ACCEPT\n"
    assert not host.redirect().sweep()
    assert len(host.ran) == 1


@pytest.mark.parametrize(
    ("listing", "sentence"),
    [
        (WORKER + WORKER.replace("48322", "48323"), "holds 2 connections .*may be a call"),
        (WORKER + WORKER.replace("48322", "5").replace("110", "111"), "holds 2 connections"),
        ("", "no connection to the server; is it registered"),
        (WORKER.partition("users")[0], "no connection to the server"),  # not root: no processes
    ],
)
def test_where_the_workers_connection_is_not_certain_nothing_is_cut(
    listing: str, sentence: str
) -> None:
    host = Host(listing)
    with pytest.raises(AdoptionError, match=sentence):
        adopt(host.redirect(), registered)
    assert host.story == ["insert", "delete"]


def test_sockets_are_read_as_ss_prints_them() -> None:
    shared = (
        "0 0 [::ffff:172.18.0.3]:40112 [::ffff:172.18.0.2]:7880 "
        'users:(("python",pid=110,fd=9),("python",pid=120,fd=9)) timer:(keepalive,9sec,0)\n\n'
    )
    assert connections.parse_connections(WORKER + CALLS) == [
        held(48322, 110),
        held(48330, 120),
        held(48338, 121),
    ]
    assert connections.parse_connections(shared) == [held(40112, 110), held(40112, 120)]
    assert connections.parse_connections(LOOPBACK_6) == [
        Connection(Endpoint("::1", 5000), Endpoint("::1", 7880), 110)
    ]


def test_a_socket_that_a_child_inherited_is_still_the_workers() -> None:
    found = [held(40112, 120), held(40112, 110), held(40113, 121)]
    assert connections.worker_connection(found, 100) == held(40112, 110)


def test_a_command_that_fails_is_told_in_its_own_words() -> None:
    with pytest.raises(AdoptionError, match=r"^sh failed: no such table$"):
        command.run(["sh", "-c", "echo hint >&2; echo no such table >&2; exit 3"])
    assert command.run(["echo", "fine"]) == "fine\n"


def test_a_process_that_ended_meanwhile_is_a_sentence() -> None:
    with pytest.raises(AdoptionError, match="ended meanwhile; run again"):
        connections.parent_of(2**22 + 1)


def test_obstacles_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: list[str]) -> str:
        raise AssertionError("nothing has to be tried")

    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "ss" else f"/sbin/{tool}")
    assert "no ss (packages" in (obstacles.obstacle(None, execute=never) or "")
    monkeypatch.setattr("shutil.which", lambda tool: f"/sbin/{tool}")
    assert obstacles.obstacle("it speaks wss", execute=never) == "it speaks wss"


@pytest.mark.parametrize("works", [True, False])
def test_cutting_is_tried_on_a_socket_of_our_own(
    monkeypatch: pytest.MonkeyPatch, works: bool
) -> None:
    ends: list[socket.socket] = []
    connect = socket.create_connection

    def remember(address: tuple[str, int]) -> socket.socket:
        ends.append(connect(address))
        return ends[0]

    def host(argv: list[str]) -> str:
        (client,) = ends
        assert argv[:2] == ["ss", "-K"]
        assert argv[-1] == f":{client.getpeername()[1]}"
        if works:
            client.close()  # as after the kernel's abort, the next read fails
        return ""

    monkeypatch.setattr(obstacles, "CUT_SECONDS", 0.05)
    monkeypatch.setattr("shutil.which", lambda tool: f"/sbin/{tool}")
    monkeypatch.setattr(socket, "create_connection", remember)
    said = obstacles.obstacle(None, execute=host)
    assert said is None if works else "has no effect" in (said or "")


# On the host's network: the worker, a call of its, the user's proxy (900) and the server's own end.
BESIDE = (
    '0 0 127.0.0.1:48322 127.0.0.1:7880 users:(("python",pid=110,fd=9))\n'
    '0 0 127.0.0.1:48330 127.0.0.1:7880 users:(("python",pid=120,fd=9))\n'
    '0 0 127.0.0.1:50000 127.0.0.1:7880 users:(("caddy",pid=900,fd=9))\n'
)


def group(folder: Path, said: str, controllers: str = "") -> Group:
    """Of a container whose first process is 100 and says that of its cgroups."""
    (folder / "unified").mkdir()
    (folder / "unified/cgroup.subtree_control").write_text(controllers)
    (folder / "unified/cgroup.procs").write_text("")
    (folder / "100").mkdir()
    (folder / "100/cgroup").write_text(said)
    (folder / "mounts").write_text(f"cgroup2 {folder}/unified cgroup2 rw 0 0\n")
    return Group(100, "b" * 64, folder / "mounts", folder)


def on_host(folder: Path, address: str = "127.0.0.1") -> Way:
    own = group(folder, f"1:cpu:/\n0::/system.slice/docker-{'b' * 64}.scope\n")
    return on_the_hosts_network(Endpoint(address, 7880), 7890, "shop", own)


def test_on_the_hosts_network_only_the_containers_own_processes_are_led_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ipv6(monkeypatch, tmp_path, "00000000000000000000000000000001 01 80 10 80 lo\n")
    host = Host(BESIDE)
    adopt(host.redirect(on_host(tmp_path)), registered)
    rules = [" ".join(argv) for argv in host.ran if "--insert" in argv]
    assert [rule.split()[0] for rule in rules] == ["iptables", "ip6tables"]
    for rule in rules:
        assert f"--match cgroup --path system.slice/docker-{'b' * 64}.scope" in rule
        assert rule.endswith("--comment releve-adoption-shop --jump REDIRECT --to-ports 7890")
    assert host.story == ["insert", "insert", ":48322", "delete", "delete"]
    cut = next(argv for argv in host.ran if "-K" in argv)
    assert cut == ["ss", "-K", "src", "127.0.0.1:48322", "dst", "127.0.0.1:7880"]


def ipv6(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> None:
    (folder / "if_inet6").write_text(text)
    monkeypatch.setattr("module_utils.adoption.redirect.IPV6", folder / "if_inet6")


def test_who_is_not_below_the_agents_first_process_is_never_cut(tmp_path: Path) -> None:
    """The proxy is as near to the host's first process as the agent is to its own."""
    host = Host(BESIDE.splitlines(keepends=True)[2])
    with pytest.raises(AdoptionError, match="no connection to the server"):
        adopt(host.redirect(on_host(tmp_path)), registered)
    assert "-K" not in {word for argv in host.ran for word in argv}


def test_another_stacks_rule_in_the_hosts_network_is_left_alone(tmp_path: Path) -> None:
    host = Host(BESIDE)
    host.rules = "".join(
        f"-A OUTPUT -m comment --comment releve-adoption{of} -j REDIRECT --to-ports 7890\n"
        for of in ("-shop2", "", "-shop")
    )
    redirect = host.redirect(on_host(tmp_path, "10.0.0.5"))
    assert [rule[3] for _, rule in redirect.left_rules()] == ["--comment"]
    assert "releve-adoption-shop" in redirect.left_rules()[0][1]


def test_where_the_engine_makes_no_group_of_that_version_one_is_lent(tmp_path: Path) -> None:
    own = group(tmp_path, "5:memory:/docker/x\n0::/\n")
    folder = tmp_path / "unified" / own.path
    with own.open():
        assert folder.is_dir()
        own.take(110)
        assert (folder / "cgroup.procs").read_text() == "110"
    assert (tmp_path / "unified/cgroup.procs").read_text() == "110", "it is back"


@pytest.mark.parametrize(
    ("said", "controllers", "sentence"),
    [("0::/mine\n", "memory pids\n", "in the cgroup /mine, which is not its own")],
)
def test_a_group_that_accounts_for_memory_is_never_left(
    tmp_path: Path, said: str, controllers: str, sentence: str
) -> None:
    with pytest.raises(AdoptionError, match=sentence):
        group(tmp_path, said, controllers)


def test_without_such_a_file_system_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n")
    with pytest.raises(AdoptionError, match="no cgroup file system of version 2"):
        Group(100, "b" * 64, tmp_path / "mounts", tmp_path)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    cert, key = write_certificate(tmp_path, "voice.example")
    return str(cert), str(key)


def test_a_certificate_for_the_agents_host_is_taken(certificate: tuple[str, str]) -> None:
    assert obstacles.of_tls("voice.example", *certificate, certificate[0]) is None


@pytest.mark.parametrize(
    ("host", "trusts", "sentence"),
    [
        ("other.example", True, "not to be trusted for other.example: Hostname mismatch"),
        ("voice.example", False, "is not to be trusted for voice.example: self-signed"),
        (None, True, "it speaks no TLS, as the gateway's port for blue does"),
    ],
)
def test_one_that_does_not_fit_is_a_sentence(
    certificate: tuple[str, str], host: str | None, trusts: bool, sentence: str
) -> None:
    said = obstacles.of_tls(host, *certificate, certificate[0] if trusts else "") or ""
    assert sentence in said


def test_files_that_are_no_certificate_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing")
    said = obstacles.of_tls("voice.example", str(tmp_path / "x"), str(tmp_path / "x"), "") or ""
    assert "cannot be used" in said


def test_without_a_certificate_an_agent_that_speaks_wss_is_told_what_to_give() -> None:
    said = obstacles.of_tls("voice.example", "", "", "") or ""
    assert "would refuse a gateway without a certificate for voice.example" in said
    assert obstacles.of_tls(None, "", "", "") is None
