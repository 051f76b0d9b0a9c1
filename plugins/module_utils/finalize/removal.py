"""What removing the release that was in service before does, step by step; nothing is done twice.

A release is removed only when it is drained: by the server's word, asked just before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..gateway import Gateway
from ..stack import COLOUR, PROJECT, SERVICE, STACK
from . import compose, drain, kept

STOP_SECONDS = 30


class NotYet(Exception):
    """It must not be removed now; the message says why."""


@dataclass(frozen=True)
class Step:
    """One thing to do: `what` as a sentence, `act` does it."""

    what: str
    act: Callable[[], object]


@dataclass(frozen=True)
class Old:
    """The release to remove: its stack, colour, and where what is kept of it goes."""

    stack: str
    service: str
    colour: str
    gateway_url: str
    folder: Path
    days: float
    project: compose.Project


class Removal:
    """The steps that are left, for one engine and one gateway."""

    def __init__(self, client: Any, gateway: Gateway, old: Old, not_found: type[Exception]) -> None:
        self._client = client
        self._gateway = gateway
        self._old = old
        self._not_found = not_found

    def steps(self) -> list[Step]:
        """What is left to do. Raises NotYet, DrainError, ComposeError, GatewayError."""
        containers = self._containers()
        self._served()
        if containers:
            self._drained()
        gone = {container.id for container in containers}
        found = self._compose() if {one.id for one in self._of_compose()} <= gone else []
        for container in containers:
            found += self._container(container)
        for one in kept.expired(self._old.folder, time.time()):
            if one.colour != self._old.colour or not containers:
                what = f"forget what was kept of {one.colour}: its time is over"
                found.append(Step(what, self._forgetting(one)))
        return found

    def _containers(self) -> list[Any]:
        """Of Compose's service, which is blue until it is finalized, and ours; stopped ones too."""
        ours = [f"{STACK}={self._old.stack}", f"{COLOUR}={self._old.colour}"]
        found = self._client.containers.list(all=True, filters={"label": ours})
        return [*found, *(self._of_compose() if self._old.colour == "blue" else [])]

    def _of_compose(self) -> list[Any]:
        labels = [f"{PROJECT}={self._old.stack}", f"{SERVICE}={self._old.service}"]
        return list(self._client.containers.list(all=True, filters={"label": labels}))

    def _served(self) -> None:
        now = self._gateway.decisions()
        in_service = [colour for colour, weight in now["weights"].items() if weight]
        missing = [colour for colour in in_service if colour not in now["serving"]]
        if missing:
            raise NotYet(
                f"{' and '.join(missing)} is in service and no uncordoned worker of it is "
                f"connected: {self._old.colour} is what could stand in"
            )

    def _drained(self) -> None:
        found = drain.look(self._gateway, self._old.colour)
        if found.state != drain.DRAINED:
            raise NotYet(f"{found}; only a drained release is removed")

    def _compose(self) -> list[Step]:
        of, service = self._old.project, self._old.service
        text = compose.wanted(of, service)
        if text is None:
            return []
        what = f"write {of.override}: `docker compose up` starts no container of {service}"
        return [Step(what, lambda: compose.write(of, text, service))]

    def _container(self, container: Any) -> list[Step]:
        old = self._old
        image, day = container.attrs["Image"], time.gmtime(time.time() + old.days * kept.DAY)
        return [
            Step(
                f"keep its image {image[:19]} as {kept.name_of(old.stack, old.colour)} until "
                f"{time.strftime('%Y-%m-%d', day)} at least, and its definition in "
                f"{kept.path_of(old.folder, old.colour)}",
                self._keeping(container),
            ),
            Step(
                f"remove container {container.name}{_ends_with(container)}", self._gone(container)
            ),
        ]

    def _keeping(self, container: Any) -> Callable[[], object]:
        old = self._old
        return lambda: kept.keep(
            self._client,
            container,
            old.folder,
            old.stack,
            old.colour,
            old.gateway_url,
            old.days,
        )

    def _gone(self, container: Any) -> Callable[[], object]:
        def act() -> None:
            self._drained()
            container.stop(timeout=STOP_SECONDS)
            container.remove()

        return act

    def _forgetting(self, one: kept.Kept) -> Callable[[], object]:
        return lambda: kept.forget(self._client, one, self._old.stack, self._not_found)


def _ends_with(container: Any) -> str:
    """What only it has, and goes with it."""
    ports = sorted(container.attrs["HostConfig"].get("PortBindings") or {})
    return f", and with it its published ports {', '.join(ports)}" if ports else ""
