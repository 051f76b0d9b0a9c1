"""One backup, read: which snapshot holds what, and the definitions that were saved with it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..restic.repository import Restic
from .contents import BackupError, Image, Tree
from .retention import images_held, runs

DOCUMENT = "releve-document"
IMAGES_FILE = "/images.tar"  # in every snapshot of images
SMALL = 4 * 1024 * 1024  # bytes; a member of an image's tar that can be JSON


@dataclass(frozen=True)
class Archive:
    """`saved` is the snapshot as restic lists it; `where` maps the path of a tree to the id of the
    snapshot that holds it; `image_snapshots` maps image ids likewise."""

    restic: Restic
    saved: dict[str, Any]
    definitions: dict[str, Any]
    where: dict[str, str]
    image_snapshots: dict[str, str]

    @property
    def id(self) -> str:
        """The short id, as reports show it."""
        return str(self.saved["short_id"])

    @property
    def run(self) -> str:
        """The run that made it."""
        return str(self.saved["tags"][1])

    @property
    def trees(self) -> list[Tree]:
        """What was saved of the disk."""
        return [Tree(**item) for item in self.definitions["trees"]]

    @property
    def images(self) -> list[Image]:
        """What was saved of the engine."""
        return [Image(**item) for item in self.definitions["images"]]

    @property
    def containers(self) -> list[dict[str, Any]]:
        """Containers as the engine's inspect showed them, secrets included."""
        return list(self.definitions["containers"])

    def size(self, *trees: Tree) -> int:
        """Bytes that their restore writes; holes are made afterwards."""
        sizes = self.definitions["sizes"]
        return sum(sizes[tree.path] for tree in trees)

    def restore(self, trees: Sequence[Tree], into: Path) -> list[str]:
        """Trees below `into`, at their old paths, holes included. Returns what could not be."""
        complaints = []
        for snapshot in sorted({self.where[tree.path] for tree in trees}):
            paths = [tree.path for tree in trees if self.where[tree.path] == snapshot]
            complaints += self.restic.restore(snapshot, into, paths)
        for path in self.definitions["sparse"]:
            copy = into / path.lstrip("/")
            # Saved a moment after it was listed, a folder in its path may be a link by now.
            if copy.is_file() and copy.resolve() == into.resolve() / path.lstrip("/"):
                info = copy.stat()
                # Not every file system has holes; the content is there without them.
                subprocess.run(["fallocate", "--dig-holes", copy], capture_output=True)
                os.utime(copy, ns=(info.st_atime_ns, info.st_mtime_ns))
        return complaints


class NotWholeError(BackupError):
    """One item cannot be restored as it was saved, and was left as it is."""


def open_archive(restic: Restic, wanted: str) -> Archive:
    """The backup of this id, or the `latest`. Raises BackupError when there is none."""
    snapshots = restic.snapshots()
    whole = runs(snapshots)
    if wanted != "latest":
        whole = [item for item in whole if len(wanted) >= 8 and item["id"].startswith(wanted)]
    if not whole:
        known = ", ".join(item["short_id"] for item in runs(snapshots)) or "none"
        raise BackupError(f"{restic.shown} has no backup {wanted}; it has: {known}")
    saved = whole[-1]
    folder = next(path for path in saved["paths"] if Path(path).name == DOCUMENT)
    definitions = json.loads(restic.read(saved["id"], f"{folder}/definitions.json"))
    where = {tree["path"]: saved["id"] for tree in definitions["trees"]}
    parts = {tag.removeprefix("volume:") for tag in saved["tags"] if tag.startswith("volume:")}
    for item in snapshots:
        if item["short_id"] in parts:
            where |= dict.fromkeys(item["paths"], item["id"])
    held = images_held(snapshots)
    lost = [image["id"] for image in definitions["images"] if image["id"] not in held]
    if lost:
        raise BackupError(f"backup {saved['short_id']} has lost its images {', '.join(lost)}")
    images = {image["id"]: held[image["id"]] for image in definitions["images"]}
    return Archive(restic, saved, definitions, where, images)


def prove_images(archive: Archive) -> list[str]:
    """What is wrong with the saved images, a line each. An image's id is the digest of its
    configuration, which names the digests of its layers; all of them are computed anew."""
    wrong = []
    for snapshot in sorted(set(archive.image_snapshots.values())):
        images = [item for item in archive.images if archive.image_snapshots[item.id] == snapshot]
        process = archive.restic.dump(snapshot, IMAGES_FILE)
        assert process.stdout is not None
        content = _Content()
        fault = None
        try:
            content.read(process.stdout)
        except (tarfile.TarError, EOFError) as error:
            fault = f"not whole ({error})"
        process.stdout.close()
        said = process.communicate()[1].decode(errors="replace").strip().splitlines()
        if process.returncode > 0 and said:
            fault = said[-1]
        for image in images:
            found = content.fault_of(image.id)
            if found:  # an image that came whole before the fault is whole
                wrong.append(f"image {' '.join(image.names)} {image.id}: {fault or found}")
    return wrong


class _Content:
    """Members of what `docker save` prints, in its older form and as an OCI layout."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self._texts: dict[str, bytes] = {}

    def read(self, stream: IO[bytes]) -> None:
        """To the end, whatever pads it. Raises tarfile.TarError."""
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isreg() else None
                if content is not None:
                    self._take(member, content)
                elif member.issym() or member.islnk():
                    folder = Path(member.name).parent if member.issym() else Path()
                    self._links[member.name] = os.path.normpath(folder / member.linkname)
        while stream.read(1 << 20):
            pass

    def _take(self, member: tarfile.TarInfo, content: IO[bytes]) -> None:
        total, kept = hashlib.sha256(), b""
        while block := content.read(1 << 20):
            total.update(block)
            if member.size <= SMALL:
                kept += block
        self._digests[member.name], self._texts[member.name] = total.hexdigest(), kept

    def fault_of(self, image_id: str) -> str | None:
        """What is wrong with one image, None when it is whole."""
        name = image_id.removeprefix("sha256:")
        configs = [path for path, digest in self._digests.items() if digest == name]
        if not configs:
            return "its configuration is not there with the digest that is its id"
        try:
            manifest = json.loads(self._texts["manifest.json"])
            layers = next(item["Layers"] for item in manifest if item["Config"] in configs)
            wanted = json.loads(self._texts[configs[0]])["rootfs"]["diff_ids"]
            for path, diff in zip(layers, wanted, strict=True):
                digest = self._digests[self._links.get(path, path)]
                # A blob is named by its own digest, also where it is a compressed layer.
                right = path.rpartition("/")[2] if path.startswith("blobs/") else diff[7:]
                if digest != right:
                    return f"layer {diff} has digest {digest}"
        except (KeyError, StopIteration, ValueError) as error:
            return f"incomplete ({error})"
        return None
