"""The server's service on one engine: looked at, planned, replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..stack import PROJECT, SERVICE, Stack
from .compose_file import DIGEST, Wish, changes, pinned
from .health import Health
from .host import told
from .place import KEYS, OURS, OWN, Place, ServerError, place_of, variables
from .replace import Before, Replacement
from .trial import Trial

DIRECTORY = f"{PROJECT}.working_dir"
# A program that can ask for the health check, as the official image has it.
ASKS = "/usr/bin/wget"


@dataclass(frozen=True)
class Asked:
    """What the service is to be: image by id or reference, `tag` to pin it by where it has no
    digest, the port it answers at, the whole configuration (None: the user's own stays), all keys
    (None: the user's own stay)."""

    image: str
    tag: str
    port: int
    whole: str | None = None
    keys: str | None = None
    limits: Mapping[str, Any] = field(default_factory=dict)


class Service:
    """Through a `docker.DockerClient`; `stack` reads the stack as it is now."""

    def __init__(
        self,
        client: Any,
        stack: Callable[[], Stack],
        who: Callable[[], set[str]],
        not_found: type[Exception],
    ) -> None:
        self._client = client
        self._stack = stack
        self._who = who
        self._not_found = not_found

    def look(self, asked: Asked, keys_file: str | None) -> dict[str, Any]:
        """What the configuration is merged from. It holds secrets: for the caller only."""
        server, blue = self._stack().containers()
        project = _project(server.attrs)
        ours = OWN in server.labels
        place = place_of(server.attrs, project)
        if place.own is not None and not place.own.is_file():
            raise ServerError(f"the server's configuration, {place.own}, is not on the target")
        return {
            "changed": False,
            "file": str(place.own) if place.own else "nothing",
            "text": place.own.read_text(encoding="utf-8") if place.own else "",
            "in_force": _text(project / OURS) if ours else None,
            "keys_in_force": _text(project / KEYS) if ours else None,
            "keys": _keys(keys_file) if keys_file else None,
            "agent_keys": self._stack().keys() if blue is not None else None,
            "environment": variables(server.attrs),
            "arguments": list(server.attrs["Args"]),
            "published": _published(server.attrs),
            "same_image": self._same_image(server.attrs, asked),
        }

    def tried(self, asked: Asked, alone: str, stack: str, folder: Path) -> dict[str, Any]:
        """`refused` is what the server says against the configuration, None where it starts."""
        server, _ = self._stack().containers()
        try:
            image = self._client.images.get(asked.image)
        except self._not_found:
            return {"changed": False, "refused": None, "untried": f"{asked.image} is not here yet"}
        trial = Trial(self._client, stack, folder, self._not_found)
        refused = trial.refused(image.id, server.attrs, asked.whole or "", alone, asked.port)
        return {"changed": False, "refused": refused, "untried": None}

    def plan(self, asked: Asked) -> dict[str, Any]:
        """What is not as wanted."""
        server, _ = self._stack().containers()
        wish, place = self._wish(asked, server)
        differs = []
        if not self._same_image(server.attrs, asked):
            differs.append(
                f"the image is {server.attrs['Config']['Image']}, wanted is {wish.image}"
            )
        files = changes(wish, server.attrs, place, _project(server.attrs))
        running = server.labels.get(DIGEST)
        if running is None:
            name = server.attrs["Config"]["Image"]
            differs.append(f"the project names {name}, and nothing pins it to {wish.image}")
        elif running != wish.digest:
            differs.append("the running server has another configuration")
        if files and running is not None:
            names = ", ".join(sorted(file.name for file in files))
            differs.append(f"files of the project are to be changed: {names}")
        notes = []
        if wish.health is None and not (server.attrs["Config"].get("Healthcheck") or {}):
            notes.append(f"no health check: {wish.image} has no program that can ask the server")
        pid = server.attrs["State"]["Pid"]
        return {
            "changed": False,
            "differs": differs,
            "image": wish.image,
            "host": told(pid),
            "notes": notes,
        }

    def replace(self, asked: Asked, compose: Sequence[str], seconds: float) -> None:
        """Raises ServerError when it does not come up."""
        server, _ = self._stack().containers()
        project = _project(server.attrs)
        wish, place = self._wish(asked, server)
        files = changes(wish, server.attrs, place, project)
        labels = {name: server.labels[name] for name in (PROJECT, SERVICE)}
        health = Health(lambda: self._now(labels), self._who, seconds)
        replacement = Replacement(self._client, compose, project, wish.service, health)
        replacement.replace(files, Before(server.attrs, self._who()), asked.port)

    def _now(self, labels: Mapping[str, str]) -> Any:
        """The service's container, also one that has ended."""
        wanted = [f"{name}={value}" for name, value in labels.items()]
        found = self._client.containers.list(all=True, filters={"label": wanted})
        return found[0] if found else None

    def _wish(self, asked: Asked, server: Any) -> tuple[Wish, Place | None]:
        attrs = server.attrs
        image = self._image(asked, attrs)
        wish = Wish(
            service=attrs["Config"]["Labels"][SERVICE],
            image=pinned(image, attrs["Config"]["Image"], asked.tag),
            config=asked.whole,
            keys=asked.keys,
            limits=asked.limits,
            health=self._health(image, server, asked.port),
        )
        place = place_of(attrs, _project(attrs)) if asked.whole is not None else None
        return wish, place

    def _image(self, asked: Asked, attrs: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return dict(self._client.images.get(asked.image).attrs)
        except self._not_found:  # in check mode, where none is brought
            return {"Id": asked.image}

    def _same_image(self, attrs: Mapping[str, Any], asked: Asked) -> bool:
        return bool(self._image(asked, attrs)["Id"] == attrs["Image"])

    def _health(self, image: Mapping[str, Any], server: Any, port: int) -> list[str] | None:
        """Only where the user has none, and the image can ask."""
        theirs = server.attrs["Config"].get("Healthcheck")
        if (theirs and DIGEST not in server.labels) or not self._has(image, server, ASKS):
            return None
        return ["CMD", ASKS, "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/"]

    def _has(self, image: Mapping[str, Any], server: Any, path: str) -> bool:
        if image["Id"] == server.attrs["Image"]:
            return self._file_in(server, path)
        if "Config" not in image:  # in check mode
            return False
        made = self._client.containers.create(image["Id"])
        try:
            return self._file_in(made, path)
        finally:
            made.remove()

    def _file_in(self, container: Any, path: str) -> bool:
        try:
            container.get_archive(path)
        except self._not_found:
            return False
        return True


def _project(attrs: Mapping[str, Any]) -> Path:
    return Path(attrs["Config"]["Labels"][DIRECTORY])


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def _keys(file: str) -> str:
    path = Path(file)
    if not path.is_file():
        raise ServerError(f"livekit_server_keys_file: {file} is not on the target")
    if path.stat().st_mode & 0o077:
        raise ServerError(f"livekit_server_keys_file: {file} can be read by others; chmod 600 it")
    return path.read_text(encoding="utf-8")


def _published(attrs: Mapping[str, Any]) -> list[str] | None:
    """Ports of the container that the host publishes; None where that is not how it is reached."""
    host = attrs["HostConfig"]
    if host.get("NetworkMode") == "host" or not host.get("PortBindings"):
        return None
    return sorted(host["PortBindings"])
