"""The gateway's client of the targets, against a small server on a unix socket."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from module_utils.gateway import Gateway, GatewayError, Refused, connected, workers


class Standin(socketserver.ThreadingUnixStreamServer):
    """Answers what the test put into `answers`, the last one for good; remembers requests."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.answers: list[tuple[int, bytes]] = [(200, b"{}")]
        self.asked: list[tuple[str, str, Any]] = []

    def answer(self, *contents: object, status: int = 200) -> None:
        self.answers = [(status, json.dumps(content).encode()) for content in contents]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Standin

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, json.loads(body) if body else None))
        answers = self.server.answers
        status, content = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    with Standin(str(tmp_path / "admin.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def gateway(standin: Standin) -> Gateway:
    return Gateway(str(standin.server_address))


def test_state_and_jobs_are_what_the_gateway_says(standin: Standin, gateway: Gateway) -> None:
    standin.answer({"weights": {"blue": 100}}, [{"job": "AJ_1"}])
    assert gateway.state() == {"weights": {"blue": 100}}
    assert gateway.jobs() == [{"job": "AJ_1"}]
    assert standin.asked == [("GET", "/state", None), ("GET", "/jobs", None)]


def test_a_decision_takes_the_next_epoch_and_the_wait_is_measured(
    standin: Standin, gateway: Gateway
) -> None:
    standin.answer({"epoch": 3})
    answer = gateway.decide("run 1", weights={"blue": 0, "green": 100})
    body = {"by": "run 1", "epoch": "next", "weights": {"blue": 0, "green": 100}}
    assert standin.asked == [("PUT", "/decisions", body)]
    assert answer.pop("round_trip_ms") > 0
    assert answer == {"epoch": 3}


def test_a_refusal_is_told_in_the_gateways_words(standin: Standin, gateway: Gateway) -> None:
    standin.answer({"error": "no worker of green; start one", "reason": "unserved"}, status=409)
    with pytest.raises(Refused, match=r"^no worker of green; start one$") as refusal:
        gateway.decide("run 1", weights={"blue": 0, "green": 100})
    assert refusal.value.reason == "unserved"


@pytest.mark.parametrize("content", [b'["no"]', b'"no"', b'{"why": "no"}'])
def test_a_refusal_of_another_shape_is_told_too(
    standin: Standin, gateway: Gateway, content: bytes
) -> None:
    standin.answers = [(500, content)]
    with pytest.raises(GatewayError, match="no"):
        gateway.state()


def test_an_answer_that_is_not_json_is_an_error_with_the_sockets_path(
    standin: Standin, gateway: Gateway
) -> None:
    standin.answers = [(200, b"<html>")]
    with pytest.raises(GatewayError, match=r"admin\.sock does not answer"):
        gateway.state()


def test_without_a_socket_the_container_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=r"no gateway at .*none\.sock: is its container running"):
        Gateway(str(tmp_path / "none.sock")).state()


def test_a_socket_that_nobody_serves_is_an_error(tmp_path: Path) -> None:
    path = str(tmp_path / "left.sock")
    with socketserver.UnixStreamServer(path, socketserver.BaseRequestHandler):
        pass
    with pytest.raises(GatewayError, match=r"does not answer: .*refused"):
        Gateway(path).state()


def test_wait_returns_the_first_state_that_meets_the_condition(
    standin: Standin, gateway: Gateway
) -> None:
    standin.answer({"n": 1}, {"n": 2}, {"n": 3}, {"n": 4})
    assert gateway.wait(lambda state: state["n"] >= 3, 5, "never", every=0) == {"n": 3}
    assert len(standin.asked) == 3


def test_wait_looks_once_even_without_time(standin: Standin, gateway: Gateway) -> None:
    standin.answer({"n": 1})
    assert gateway.wait(lambda state: True, 0, "never", every=0) == {"n": 1}


def test_wait_bears_a_gateway_that_errs_at_first(standin: Standin, gateway: Gateway) -> None:
    standin.answers = [(503, b'{"error": "starting"}'), (200, b'{"n": 1}')]
    assert gateway.wait(lambda state: True, 5, "never", every=0) == {"n": 1}


def test_wait_says_at_its_deadline_what_did_not_happen(gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match=r"^blue did not register within 0\.03 s$"):
        gateway.wait(lambda state: False, 0.03, "blue did not register", every=0)


def test_wait_adds_why_the_gateway_could_not_be_asked(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=r"within 0\.01 s \(no gateway at .*\)$"):
        Gateway(str(tmp_path / "none")).wait(lambda state: True, 0.01, "nothing came", every=0)


def test_wait_gives_up_at_once_when_there_is_no_hope(standin: Standin, gateway: Gateway) -> None:
    said: list[str | None] = [None, "the container has ended"]
    with pytest.raises(GatewayError, match=r"^the container has ended$"):
        gateway.wait(lambda state: False, 600, "never", give_up=lambda: said.pop(0), every=0)
    assert len(standin.asked) == 2


def test_workers_are_found_by_colour_and_address() -> None:
    near = {"colour": "blue", "peer": "172.18.0.3"}
    far = {"colour": "blue", "peer": "172.18.0.4"}
    state = {"workers": [near, far, {"colour": "green", "peer": "172.18.0.3"}]}
    assert workers(state, "blue") == [near, far]
    assert workers(state, "blue", "172.18.0.4") == [far]
    assert workers(state, "green", "172.18.0.4") == []


def test_what_the_gateway_serves_besides_is_not_ours(standin: Standin, gateway: Gateway) -> None:
    old, ours, other = {"id": 1}, {"id": 2, "agent": "default"}, {"id": 3, "agent": "coach"}
    standin.answer({"workers": [old, ours, other]}, [old, ours, other])
    assert gateway.state() == {"workers": [old, ours]}
    assert gateway.jobs() == [old, ours]


def test_connected_means_every_key() -> None:
    assert connected({"upstreams": [{"connected": True}, {"connected": True}]})
    assert not connected({"upstreams": [{"connected": True}, {"connected": False}]})


def test_another_gateways_answer_does_not_count_and_an_older_one_does_not_say_whose_it_is() -> None:
    here = [{"connected": True}]
    assert connected({"upstreams": here, "host": "mine"}, "mine")
    assert not connected({"upstreams": here, "host": "its"}, "mine")
    assert connected({"upstreams": here}, "mine")


BEGUN = {"number": 4, "by": "run x", "phase": "running", "rooms": [], "counts": {}}


def test_a_handover_is_followed_to_its_end(standin: Standin, gateway: Gateway) -> None:
    standin.answer(BEGUN, BEGUN, BEGUN | {"phase": "cancelling"}, BEGUN | {"phase": "done"})
    told = gateway.hand_over("run x", colour="blue", room=None, every=2.0)
    assert told["phase"] == "done"
    wanted = {"by": "run x", "colour": "blue", "room": None, "every": 2.0}
    assert standin.asked[0] == ("POST", "/handover", wanted)
    assert [method for method, *_ in standin.asked] == ["POST", "GET", "GET", "GET"]


@pytest.mark.parametrize("now", [{"phase": "none"}, BEGUN | {"number": 1}, BEGUN | {"by": "other"}])
def test_a_handover_whose_gateway_was_replaced_is_over(
    standin: Standin, gateway: Gateway, now: dict[str, Any]
) -> None:
    standin.answer(BEGUN, now)
    with pytest.raises(GatewayError, match="was replaced"):
        gateway.hand_over("run x", colour="blue")
