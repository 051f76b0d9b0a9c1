"""The gateway's admin API, spoken over its unix socket. Standard library only: runs on targets."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any

HANDOVER_LOOK_SECONDS = 0.2


class GatewayError(Exception):
    """The gateway did not do what was asked; the message says why and what to do."""


class NoGateway(GatewayError):
    """There is none: its socket does not exist."""


class Refused(GatewayError):
    """It answered with an error; `facts` is the answer."""

    def __init__(self, text: str, facts: dict[str, Any]) -> None:
        super().__init__(text)
        self.facts = facts

    @property
    def reason(self) -> str:
        """`superseded`, `unserved`, `not_kept`, `busy` (docs/gateway-api.md), or empty."""
        return str(self.facts.get("reason", ""))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("gateway", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class UnixApi:
    """HTTP and JSON over a unix socket; each request opens a connection of its own."""

    what = "gateway"

    def __init__(self, path: str, timeout: float = 5.0) -> None:
        self._path = path
        self._timeout = timeout

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The decoded JSON answer. Raises GatewayError."""
        connection = _UnixConnection(self._path, self._timeout)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            answer = connection.getresponse()
            content = json.loads(answer.read())
        except FileNotFoundError:
            raise NoGateway(f"no {self.what} at {self._path}: is its container running?") from None
        except (OSError, ValueError, http.client.HTTPException) as why:
            raise GatewayError(f"the {self.what} at {self._path} does not answer: {why}") from why
        finally:
            connection.close()
        if answer.status != 200:
            facts = content if isinstance(content, dict) else {}
            raise Refused(str(facts.get("error") or content), facts)
        return content


class Gateway(UnixApi):
    """One gateway, by its admin socket."""

    def state(self) -> dict[str, Any]:
        """GET /state, with the default agent's workers only: that is the agent we move."""
        content: dict[str, Any] = self.request("GET", "/state")
        if "workers" in content:
            content["workers"] = [item for item in content["workers"] if _ours(item)]
        return content

    def jobs(self) -> list[dict[str, Any]]:
        """GET /jobs, the default agent's only."""
        return [job for job in self.request("GET", "/jobs") if _ours(job)]

    def calls(self) -> list[dict[str, Any]]:
        """GET /calls: every agent in every room, by the server's word.

        Raises GatewayError, also where the server does not answer.
        """
        content: list[dict[str, Any]] = self.request("GET", "/calls")
        return content

    def decisions(self) -> dict[str, Any]:
        """GET /decisions."""
        content: dict[str, Any] = self.request("GET", "/decisions")
        return content

    def decide(self, by: str, **parts: Any) -> dict[str, Any]:
        """PUT /decisions under the next epoch, or the `epoch` given; adds `round_trip_ms`, what
        the caller waited. Raises GatewayError."""
        began = time.monotonic()
        body = {"by": by, "epoch": "next", **parts}
        content: dict[str, Any] = self.request("PUT", "/decisions", body)
        content["round_trip_ms"] = round((time.monotonic() - began) * 1000, 3)
        return content

    def hand_over(self, by: str, away: float = 60.0, **parts: Any) -> dict[str, Any]:
        """POST /handover, then GET /handover at its end. Raises GatewayError; also when the gateway
        is replaced meanwhile, or does not answer for `away` seconds."""
        begun = self.request("POST", "/handover", {"by": by, **parts})
        heard = time.monotonic()
        while True:
            try:
                now: dict[str, Any] = self.request("GET", "/handover")
            except GatewayError:
                if time.monotonic() > heard + away:
                    raise
            else:
                heard = time.monotonic()
                if (now.get("number"), now.get("by")) != (begun["number"], by):
                    raise GatewayError(
                        "the gateway was replaced, and the handover ended with it; rooms under way "
                        "get their old agent or the new one. Run again for the others"
                    )
                if now["phase"] not in ("running", "cancelling"):
                    return now
            time.sleep(HANDOVER_LOOK_SECONDS)

    def wait(
        self,
        met: Callable[[dict[str, Any]], bool],
        seconds: float,
        what: str,
        give_up: Callable[[], str | None] = lambda: None,
        every: float = 0.02,
    ) -> dict[str, Any]:
        """The first state that meets the condition.

        Raises GatewayError after `seconds`, or at once with what `give_up` says.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                state = self.state()
            except GatewayError as error:
                reason = f" ({error})"
            else:
                reason = ""
                if met(state):
                    return state
            hopeless = give_up()
            if hopeless:
                raise GatewayError(hopeless)
            if time.monotonic() >= deadline:
                raise GatewayError(f"{what} within {seconds:g} s{reason}")
            time.sleep(every)


def _ours(item: dict[str, Any]) -> bool:
    return item.get("agent", "default") == "default"  # an older gateway has only one


def workers(state: dict[str, Any], colour: str, peer: str | None = None) -> list[dict[str, Any]]:
    """The registered workers of a colour, of one address only if given."""
    return [
        worker
        for worker in state["workers"]
        if worker["colour"] == colour and peer in (None, worker["peer"])
    ]


def connected(state: dict[str, Any], host: str | None = None) -> bool:
    """Whether every key of the gateway is registered at the server; if given, of that host's."""
    if host not in (None, state.get("host", host)):  # an older gateway does not say
        return False
    return all(upstream["connected"] for upstream in state["upstreams"])
