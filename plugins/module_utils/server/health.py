"""Whether the server answers, and whether the agents' workers are registered again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from ..discovery.sockets import End, http_get
from ..gateway import Gateway, GatewayError, NoGateway, connected, workers
from ..stack import Stack, StackError

COLOURS = ("blue", "green")


def answers(pid: int, port: int, addresses: Iterable[str]) -> bool:
    """Whether a server says OK at one of its addresses, asked from its own network."""
    return any(http_get(pid, End(address, port), "/") == (200, "OK") for address in addresses)


def registered(stack: Stack, gateway: Gateway) -> set[str]:
    """Who is registered now: `gateway` at the server, each colour at the gateway, or `blue` at the
    server itself where it is not behind a gateway."""
    found = {"blue"} if stack.direct() else set()
    try:
        state = gateway.state()
    except NoGateway:
        return found
    except GatewayError:
        return set()  # it is there and does not answer
    if not connected(state):
        return found
    return found | {"gateway"} | {colour for colour in COLOURS if workers(state, colour)}


class Health:
    """Of the server's container, as soon as it is made."""

    def __init__(
        self,
        find: Callable[[], Any],
        who: Callable[[], set[str]],
        seconds: float,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """`find` is the container now; `who` is registered now."""
        self._find = find
        self._who = who
        self._seconds = seconds
        self._pause = pause

    def missing(self, port: int, before: set[str]) -> str | None:
        """Why it did not come up, None as soon as it answers and all of `before` are back.

        Gives up at once when the server ends by itself.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            said = self._now(port, before)
            if said is None:
                return None
            hopeless = self._ended()
            if hopeless or time.monotonic() >= deadline:
                return hopeless or f"{said} within {self._seconds:g} s"
            self._pause(0.5)

    def _now(self, port: int, before: set[str]) -> str | None:
        container = self._find()
        if container is None:
            return "the server's container is not there"
        networks = container.attrs["NetworkSettings"]["Networks"].values()
        addresses = ["127.0.0.1", *(one["IPAddress"] for one in networks if one.get("IPAddress"))]
        pid = container.attrs["State"]["Pid"]
        if not pid or not answers(pid, port, addresses):
            return f"the server did not answer at port {port}"
        try:
            absent = before - self._who()
        except StackError as error:
            return str(error)
        return f"{', '.join(sorted(absent))} did not register again" if absent else None

    def _ended(self) -> str | None:
        container = self._find()
        if container is None:
            return None
        state = container.attrs["State"]
        if state["Running"] and not state["Restarting"] and not container.attrs["RestartCount"]:
            return None
        lines = container.logs(tail=20).decode(errors="replace").strip().splitlines()
        return f"the server ended, it said: {lines[-1] if lines else 'nothing'}"
