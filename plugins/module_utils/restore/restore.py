"""A stack put back as a backup has it: whole or in part, on the same host or an empty one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backup.archive import Archive, NotWholeError
from ..backup.contents import BackupError, Image, Tree, containers_of, labels_of
from ..docker_host import post
from ..stack import COLOUR, PROJECT, SERVICE, STACK
from .launch import Launcher, endpoints, exact
from .put_back import put_back
from .rehearsal import load

STOP_SECONDS = 30
PARTS = ("images", "volumes", "project", "config")
# Which trees a part puts back. Keys and the gateway's settings are part of the configuration.
KINDS = {"volumes": ("volume", "bind"), "project": ("project",), "config": ("state",)}


@dataclass(frozen=True)
class Step:
    """One thing to do: `what` as a sentence, `act` does it."""

    part: str
    what: str
    act: Callable[[], object]


class Restore:
    """Restores `parts` of one archive. Raises BackupError before anything is changed when a stack
    runs and `confirm` is not its name."""

    def __init__(self, client: Any, archive: Archive, stack: str, parts: Sequence[str]) -> None:
        self._client = client
        self._archive = archive
        self._stack = stack
        self._parts = parts
        self._launcher = Launcher(client)
        self._now = containers_of(client, stack)
        self._up = sorted(
            (item for item in self._now if item.status in ("running", "paused", "restarting")),
            key=lambda item: starting_order(item.attrs),
        )

    def refuse_running(self, confirm: str) -> None:
        """Images can come back under a running stack; nothing else can."""
        if self._up and set(self._parts) - {"images"} and confirm != self._stack:
            names = ", ".join(item.name for item in self._up)
            raise BackupError(
                f"stack {self._stack} is running ({names}) and a restore stops it: "
                f"calls end. To do it nevertheless add -e confirm={self._stack}"
            )

    def steps(self) -> list[Step]:
        """What would be done, in order."""
        found = []
        if "images" in self._parts:
            found += self._images()
        moving = set(self._parts) - {"images"}
        if moving:
            found += [
                Step("config", f"stop container {item.name}", self._stopping(item))
                for item in self._up
            ]
        if "config" in self._parts:
            found += self._networks()
        if "volumes" in self._parts or "config" in self._parts:
            found += self._volumes()
        found += [self._tree(tree) for tree in self._chosen()]
        if "config" in self._parts:
            found += self._containers()
        elif moving:
            found += [
                Step("config", f"start container {item.name}", item.start)
                for item in self._to_start()
            ]
        return found

    def _to_start(self) -> list[Any]:
        """What runs, and what ran when it was saved: a restore that was killed had stopped it."""
        ran = {
            item["Name"].lstrip("/")
            for item in self._archive.containers
            if item["State"]["Running"]
        }
        up = {item.name for item in self._up}
        chosen = [item for item in self._now if item.name in up | ran]
        return sorted(chosen, key=lambda item: starting_order(item.attrs))

    def go(self, tell: Callable[[str], None]) -> list[str]:
        """Do it. Returns what could not come back whole, a line each: that was left as it is, and
        the rest has come back nevertheless. Raises BackupError, ResticError, docker's errors."""
        lost = []
        for step in self.steps():
            tell(step.what)
            try:
                step.act()
            except NotWholeError as error:
                lost.append(str(error))
        return lost

    def room(self) -> list[tuple[Path, int]]:
        """What goes where, in bytes: trees are there twice for a while."""
        engine = Path(self._client.info()["DockerRootDir"])
        here = {item.id for item in self._client.images.list(all=True)}
        images = [item.bytes for item in self._archive.images if item.id not in here]
        loads = {"images", "config"} & set(self._parts)
        return [(engine, sum(images) if loads else 0)] + [
            (engine if tree.kind == "volume" else Path(tree.path), self._archive.size(tree))
            for tree in self._chosen()
        ]

    def _chosen(self) -> list[Tree]:
        kinds = {kind for part in self._parts for kind in KINDS.get(part, ())}
        return [tree for tree in self._archive.trees if tree.kind in kinds]

    # Images

    def _images(self) -> list[Step]:
        here = {item.id for item in self._client.images.list(all=True)}
        steps = []
        for image in self._archive.images:
            title = f"{' '.join(image.names) or '(no name)'} {image.id[:19]}"
            if image.id not in here:
                steps.append(Step("images", f"load image {title}", self._loading(image)))
            steps += [
                Step("images", f"name image {image.id[:19]} {name}", self._naming(image, name))
                for name in image.names
                if self._named(name) != image.id
            ]
        return steps

    def _named(self, name: str) -> str | None:
        found = self._client.images.list(filters={"reference": name})
        return found[0].id if found else None

    def _loading(self, image: Image) -> Callable[[], object]:
        return lambda: load(self._client, self._archive, image.id)

    def _naming(self, image: Image, name: str) -> Callable[[], object]:
        def tag() -> None:
            for found in self._client.images.list(all=True):
                if found.id == image.id:  # one that could not be loaded has been named already
                    found.tag(name)

        return tag

    # Networks and volumes

    def _networks(self) -> list[Step]:
        here = {item.name for item in self._client.networks.list()}
        return [
            Step("config", f"make network {saved['Name']}", self._networking(saved))
            for saved in self._archive.definitions["networks"]
            if saved["Name"] not in here
        ]

    def _networking(self, saved: dict[str, Any]) -> Callable[[], object]:
        body = {
            key: saved.get(key)
            for key in ("Driver", "EnableIPv6", "IPAM", "Internal", "Attachable", "Options")
        }
        body |= {"Name": saved["Name"], "Labels": saved.get("Labels") or {}, "CheckDuplicate": True}
        return lambda: post(self._client, "networks/create", body)

    def _volumes(self) -> list[Step]:
        here = {item.name for item in self._client.volumes.list()}
        return [
            Step("volumes", f"make volume {saved['Name']}", self._making(saved))
            for saved in self._archive.definitions["volumes"]
            if saved["Name"] not in here
        ]

    def _making(self, saved: dict[str, Any]) -> Callable[[], object]:
        return lambda: self._client.volumes.create(
            name=saved["Name"],
            driver=saved["Driver"],
            driver_opts=saved.get("Options") or {},
            labels=saved.get("Labels") or {},
        )

    # Trees

    def _tree(self, tree: Tree) -> Step:
        part = next(part for part, kinds in KINDS.items() if tree.kind in kinds)
        place = tree.path if tree.kind != "volume" else f"volume {tree.name}"
        verb = "replace" if os.path.lexists(tree.path) else "restore"
        return Step(part, f"{verb} {place}", lambda: self._put_back(tree))

    def _place(self, tree: Tree) -> Path:
        if tree.kind != "volume":
            return Path(tree.path)
        # Another engine may keep its volumes elsewhere.
        return Path(os.path.realpath(self._client.volumes.get(tree.name).attrs["Mountpoint"]))

    def _put_back(self, tree: Tree) -> None:
        put_back(self._archive, tree, self._place(tree))

    # Containers

    def _stopping(self, container: Any) -> Callable[[], object]:
        def stop() -> None:
            if container.status == "paused":
                container.unpause()
            container.stop(timeout=STOP_SECONDS)

        return stop

    def _containers(self) -> list[Step]:
        names = {item.name: item for item in self._now}
        saved = sorted(self._archive.containers, key=starting_order)
        kept = {container["Name"].lstrip("/") for container in saved}
        # What Relève has put there since was not there then; what the user has is the user's.
        steps = [
            Step("config", f"remove container {name}, which came later", item.remove)
            for name, item in names.items()
            if name not in kept and STACK in item.labels
        ]
        for container in saved:
            name = container["Name"].lstrip("/")
            verb = "replace" if name in names else "make"
            steps.append(Step("config", f"{verb} container {name}", self._replacing(container)))
        steps += [
            Step("config", f"start container {item['Name'].lstrip('/')}", self._starting(item))
            for item in saved
            if item["State"]["Running"]
        ]
        return steps

    def _replacing(self, saved: dict[str, Any]) -> Callable[[], object]:
        def replace() -> None:
            name = saved["Name"].lstrip("/")
            load(self._client, self._archive, saved["Image"])
            for old in self._client.containers.list(all=True, filters={"name": f"^/{name}$"}):
                old.remove(force=True)
            body = exact(saved)
            if self._named(saved["Config"]["Image"]) == saved["Image"]:
                body["Image"] = saved["Config"]["Image"]
            made = self._launcher.create(name, body)
            for network, settings in list(endpoints(saved).items())[1:]:
                body = {"Container": made, "EndpointConfig": settings}
                post(self._client, f"networks/{network}/connect", body)

        return replace

    def _starting(self, saved: dict[str, Any]) -> Callable[[], object]:
        def start() -> None:
            name = saved["Name"].lstrip("/")
            for found in self._client.containers.list(all=True, filters={"name": f"^/{name}$"}):
                found.start()  # where its image is lost there may be none

        return start


def starting_order(container: dict[str, Any]) -> tuple[int, str]:
    """Databases and servers, then the gateway, then agents."""
    labels = labels_of(container)
    image = container["Config"]["Image"]
    if STACK in labels:
        return (1 if labels.get(COLOUR) == "gateway" else 2), container["Name"]
    early = "livekit-server" in image or SERVICE not in labels or PROJECT not in labels
    return (0 if early else 2), container["Name"]
