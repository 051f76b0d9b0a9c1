"""Container images: what is here, what a registry has, what must be built.

Works with the Docker SDK for Python 5.0 to 7 and with engines that have only the classic builder.
"""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCE_LABEL = "releve.source"
SHARES = 64  # of the 1024 that a container has by default: people talk beside a build
TAIL = 15  # lines of builder output that an error quotes


class ImageError(RuntimeError):
    """An image cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image. `source` is the digest of what it is built from.

    With `pull`, a reference in a registry, others make it too: any local image of its name will do,
    or with `newest` one that no registry can give. `network`: its build installs packages of the
    distribution.
    """

    name: str
    source: str | None = None
    pull: str | None = None
    context: Path | None = None
    buildargs: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    newest: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """How an image came to be here: `present`, `pulled` or `built`, in `seconds`."""

    name: str
    how: str
    id: str | None
    digests: list[str]
    seconds: float


def processors() -> str:
    """Those that a build may use, as the engine wants them: half of this host's, one at least."""
    allowed = sorted(os.sched_getaffinity(0))
    return ",".join(str(number) for number in allowed[len(allowed) // 2 :])


def files_under(path: Path) -> list[Path]:
    """The files of a source tree in a stable order, without what Python leaves behind."""
    if path.is_file():
        return [path]
    return sorted(
        file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    )


def members(sources: Sequence[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Each (file, name in the build context) for (file or folder, name) pairs.

    Raises ImageError for a source that does not exist.
    """
    found = []
    for path, name in sources:
        if not path.exists():
            raise ImageError(f"{path} is part of an image and does not exist")
        for file in files_under(path):
            inside = name if file == path else f"{name}/{file.relative_to(path)}"
            found.append((file, inside))
    return found


def source_digest(sources: Sequence[tuple[Path, str]], buildargs: Mapping[str, str]) -> str:
    """sha256 over names, contents and executable bits: the same code gives the same digest."""
    total = hashlib.sha256()
    for file, name in members(sources):
        executable = bool(file.stat().st_mode & 0o100)
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        total.update(f"{name}\0{executable}\0{content}\n".encode())
    for key, value in sorted(buildargs.items()):
        total.update(f"{key}={value}\n".encode())
    return total.hexdigest()


def pack(sources: Sequence[tuple[Path, str]], into: Path) -> None:
    """Write a build context: a tar owned by root, so that the builder's cache can hit.

    Compressed where `into` is a .tar.gz, which the engine sees by itself: a third of the bytes.
    """

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mode = 0o755 if info.mode & 0o100 else 0o644
        return info

    into.parent.mkdir(parents=True, exist_ok=True)
    small = into.suffix == ".gz"
    with tarfile.open(into, "w:gz", compresslevel=1) if small else tarfile.open(into, "w") as tar:
        for file, name in members(sources):
            tar.add(file, arcname=name, recursive=False, filter=plain)


def registry_of(reference: str) -> str:
    """The registry that a reference is pulled from: `docker.io` unless it names another."""
    first, slash, _ = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return first if named else "docker.io"


def split_tag(reference: str) -> tuple[str, str]:
    """(repository, tag or digest), the tag being `latest` where none is given."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    match = re.fullmatch(r"(?P<repository>.+?)(?::(?P<tag>[\w.-]+))?", reference)
    if match is None:
        raise ImageError(f"{reference!r} is not an image name")
    return match["repository"], match["tag"] or "latest"


class Images:
    """The images of one engine. A registry that could not be reached is asked only once."""

    def __init__(
        self,
        client: Any,
        not_found: type[Exception],
        failures: tuple[type[Exception], ...],
        ask_registries: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`client`: docker.DockerClient; `not_found` and `failures`: what its calls raise."""
        self.ask_registries = ask_registries
        self.client = client
        self.not_found = not_found
        self.failures = failures
        self.out_of_reach: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        self.clock = clock

    def here(self, wanted: Wanted) -> Found | None:
        """The local image of that name, unless it is ours and was made of other sources."""
        try:
            image = self.client.images.get(wanted.name)
        except self.not_found:
            return None
        ours = wanted.source is not None and wanted.pull is None
        if ours and image.labels.get(SOURCE_LABEL) != wanted.source:
            return None
        return self._found(wanted, "present", image, 0.0)

    def pull(self, wanted: Wanted) -> Found | None:
        """Pull; None when the registry cannot be reached or has no such image.

        Raises ImageError when it breaks off halfway.
        """
        if wanted.pull is None or not self.ask_registries:
            return None
        registry = registry_of(wanted.pull)
        if registry in self.out_of_reach:
            return None
        repository, tag = split_tag(wanted.pull)
        began = self.clock()
        try:
            for line in self.client.api.pull(repository, tag=tag, stream=True, decode=True):
                if "error" in line:
                    raise ImageError(f"{wanted.pull} does not arrive: {line['error']}")
            image = self.client.images.get(wanted.pull)
        except self.not_found as error:
            self.refused[wanted.pull] = str(getattr(error, "explanation", None) or error)
            return None
        except self.failures as error:
            reason = getattr(error, "explanation", None) or error
            self.out_of_reach[registry] = f"{registry} cannot be reached: {reason}"
            return None
        if wanted.name != wanted.pull:
            image.tag(*split_tag(wanted.name))
        return self._found(wanted, "pulled", image, self.clock() - began)

    def build(self, wanted: Wanted) -> Found:
        """Build from the packed context, with a network only where wanted.

        Raises ImageError with the log's end.
        """
        if wanted.context is None:
            raise ImageError(f"{wanted.name} has no build context")
        began = self.clock()
        log: list[str] = []
        with wanted.context.open("rb") as context:
            stream = self.client.api.build(
                fileobj=context,
                custom_context=True,
                tag=wanted.name,
                buildargs=dict(wanted.buildargs),
                labels={SOURCE_LABEL: wanted.source} if wanted.source else {},
                network_mode="bridge" if wanted.network else "none",
                container_limits={"cpushares": SHARES, "cpusetcpus": processors()},
                rm=True,
                forcerm=True,
                decode=True,
            )
            for line in stream:
                log += str(line.get("stream", "")).splitlines()
                if "error" in line:
                    tail = "\n".join(log[-TAIL:])
                    raise ImageError(f"{wanted.name} does not build: {line['error']}\n{tail}")
        image = self.client.images.get(wanted.name)
        return self._found(wanted, "built", image, self.clock() - began)

    def ensure(self, wanted: Wanted, dry: bool) -> Found | None:
        """Present, else pulled, else built; None when none of these is possible yet.

        `dry` answers what would be done, with no id, and touches nothing.
        """
        found = self.here(wanted)
        if found and wanted.newest and not dry and not self._made_here(wanted):
            found = self.pull(wanted) or found
        if found:
            return found
        if dry:
            how = (
                "built"
                if wanted.context
                else "pulled"
                if wanted.pull and self.ask_registries
                else None
            )
            return Found(wanted.name, how, None, [], 0.0) if how else None
        return self.pull(wanted) or (self.build(wanted) if wanted.context else None)

    def _made_here(self, wanted: Wanted) -> bool:
        """Whether no registry has it: an id, or an image that was built here by us."""
        labels = self.client.images.get(wanted.name).labels
        return wanted.name.startswith("sha256:") or SOURCE_LABEL in labels

    @staticmethod
    def _found(wanted: Wanted, how: str, image: Any, seconds: float) -> Found:
        digests = list(image.attrs.get("RepoDigests") or [])
        return Found(wanted.name, how, image.id, digests, round(seconds, 2))
