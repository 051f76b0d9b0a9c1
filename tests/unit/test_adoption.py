"""Live adoption: which socket is cut, and that the rule never outlives the attempt."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from module_utils import adoption
from module_utils.adoption import AdoptionError, Connection, Endpoint, Redirect

# Container's first process 100 (an init), worker 110, its forkserver 115, two calls 120 and 121.
TREE = {100: 1, 110: 100, 115: 110, 120: 115, 121: 115, 111: 100, 1: 0}
# As iproute2 prints `ss -Htnp state established`: no state column, padded, trailing space.
WORKER = (
    '0      0          172.18.0.3:48322    172.18.0.2:7880  users:(("python",pid=110,fd=9))    \n'
)
CALLS = (
    '0      0          172.18.0.3:48330    172.18.0.2:7880  users:(("job proc",pid=120,fd=21))\n'
    '0      52         172.18.0.3:48338    172.18.0.2:7880  users:(("python",pid=121,fd=22))\n'
)
ONE_CALL = CALLS.splitlines(keepends=True)[0]


@pytest.fixture(autouse=True)
def tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption.worker_connection, "__defaults__", (TREE.__getitem__,))


class Host:
    """Records commands; `listings` are the answers to the socket listings, the last one stays."""

    def __init__(self, *listings: str, broken: Callable[[list[str]], bool] = lambda _: False):
        self.listings = list(listings)
        self.broken = broken
        self.ran: list[list[str]] = []
        self.rules = ""

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
            if argv[0] == "iptables":
                words.append("insert" if "--insert" in argv else "delete")
            elif argv[1] == "-K":
                words.append(argv[-1])
        return words

    def redirect(self) -> Redirect:
        return Redirect(100, Endpoint("172.18.0.2", 7880), Endpoint("172.18.0.9", 7890), self)


def registered() -> None:
    """The worker stands at the gateway."""


def wrong_name() -> None:
    raise RuntimeError("the worker registers with another name")


def test_a_worker_is_led_over_with_one_cut_and_the_rule_is_gone() -> None:
    host = Host(WORKER + CALLS)
    seen: list[list[str]] = []
    adoption.adopt(host.redirect(), lambda: seen.append(host.story))
    assert seen == [["insert", ":48322"]], "the rule stands until the worker is registered"
    assert host.story == ["insert", ":48322", "delete"]


def test_a_call_that_ends_while_it_is_looked_at_stops_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parent(pid: int) -> int:
        if pid == 120:
            raise adoption.ProcessGone("process 120 ended meanwhile")
        return TREE[pid]

    monkeypatch.setattr(adoption.worker_connection, "__defaults__", (parent,))
    host = Host(WORKER + CALLS, WORKER)
    adoption.adopt(host.redirect(), registered)
    assert host.story == ["insert", ":48322", "delete"]


def test_the_rule_that_is_deleted_is_the_rule_that_was_inserted() -> None:
    host = Host(WORKER)
    adoption.adopt(host.redirect(), registered)
    first, last = host.ran[0], host.ran[-1]
    assert [word.replace("--insert", "--delete") for word in first] == last
    rule = " ".join(first)
    assert "--syn" in first, "connections that exist are never redirected"
    assert "--destination 172.18.0.2 --dport 7880" in rule
    assert rule.endswith("--jump DNAT --to-destination 172.18.0.9:7890")


def test_a_worker_that_stands_wrong_at_the_gateway_is_led_back() -> None:
    host = Host(WORKER + CALLS, WORKER.replace("48322", "48400") + CALLS)
    with pytest.raises(RuntimeError, match="another name"):
        adoption.adopt(host.redirect(), wrong_name)
    assert host.story == ["insert", ":48322", "delete", ":48400"]


@pytest.mark.parametrize("left", ["", ONE_CALL, CALLS])
def test_leading_back_a_worker_between_two_connections_cuts_no_call(left: str) -> None:
    host = Host(WORKER + left, left)
    with pytest.raises(RuntimeError, match="another name"):
        adoption.adopt(host.redirect(), wrong_name)
    assert host.story == ["insert", ":48322", "delete"]


@pytest.mark.parametrize("then", [registered, wrong_name])
def test_a_rule_that_cannot_be_deleted_is_told_with_the_command_that_does_it(
    then: Callable[[], None],
) -> None:
    host = Host(WORKER + CALLS, broken=lambda argv: "--delete" in argv)
    with pytest.raises(adoption.RuleLeftError, match="may be behind it") as told:
        adoption.adopt(host.redirect(), then)
    assert "nsenter --target 100 --net iptables --wait 2 --table nat --delete" in str(told.value)


def test_when_the_cut_fails_the_rule_is_deleted() -> None:
    host = Host(WORKER, broken=lambda argv: "-K" in argv)
    with pytest.raises(AdoptionError, match="it failed"):
        adoption.adopt(host.redirect(), registered)
    assert host.story == ["insert", ":48322", "delete"]


def test_without_a_rule_nothing_is_cut() -> None:
    host = Host(WORKER, broken=lambda argv: "--insert" in argv)
    with pytest.raises(AdoptionError, match="it failed"):
        adoption.adopt(host.redirect(), registered)
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
        adoption.adopt(host.redirect(), registered)
    assert host.story == ["insert", "delete"]


def test_sockets_are_read_as_ss_prints_them() -> None:
    shared = (
        "0 0 [::ffff:172.18.0.3]:40112 [::ffff:172.18.0.2]:7880 "
        'users:(("python",pid=110,fd=9),("python",pid=120,fd=9)) timer:(keepalive,9sec,0)\n\n'
    )
    assert adoption.parse_connections(WORKER + CALLS) == [
        Connection(48322, 110),
        Connection(48330, 120),
        Connection(48338, 121),
    ]
    assert adoption.parse_connections(shared) == [Connection(40112, 110), Connection(40112, 120)]


def test_a_socket_that_a_child_inherited_is_still_the_workers() -> None:
    found = [Connection(40112, 120), Connection(40112, 110), Connection(40113, 121)]
    assert adoption.worker_connection(found, 100) == Connection(40112, 110)


def test_a_command_that_fails_is_told_in_its_own_words() -> None:
    with pytest.raises(AdoptionError, match=r"^sh failed: no such table$"):
        adoption.run(["sh", "-c", "echo hint >&2; echo no such table >&2; exit 3"])
    assert adoption.run(["echo", "fine"]) == "fine\n"


def test_a_process_that_ended_meanwhile_is_a_sentence() -> None:
    with pytest.raises(AdoptionError, match="ended meanwhile; run again"):
        adoption.parent_of(2**22 + 1)


def test_obstacles_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: list[str]) -> str:
        raise AssertionError("nothing has to be tried")

    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "ss" else f"/sbin/{tool}")
    assert "no ss (packages" in (adoption.obstacle(None, never) or "")
    monkeypatch.setattr("shutil.which", lambda tool: f"/sbin/{tool}")
    assert adoption.obstacle("it speaks wss", never) == "it speaks wss"


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

    monkeypatch.setattr(adoption, "CUT_SECONDS", 0.05)
    monkeypatch.setattr("shutil.which", lambda tool: f"/sbin/{tool}")
    monkeypatch.setattr(socket, "create_connection", remember)
    said = adoption.obstacle(None, host)
    assert said is None if works else "has no effect" in (said or "")
