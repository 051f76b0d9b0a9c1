"""A stack without an engine, and a real restic: what the backup's tests share."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.backup.contents import Contents, Image, Tree
from module_utils.backup.retention import Keep
from module_utils.backup.snapshot import Backup
from module_utils.restic.repository import Restic

from .quick_key import make_quick

DOCKER = """#!/usr/bin/env python3
# What is asked is written down. save: prints images; with a file `broken` it fails after half of
# them, with a file `half` it prints half of them and says that all is well. A file `away`
# says how many commands find no engine; with a file `wait` save and pause wait for a file `go` to
# appear. What is done is written down, too.
import io, json, pathlib, sys, tarfile, time
here = pathlib.Path(__file__).parent
with (here / "asked").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
away = here / "away"
left = int(away.read_text()) if away.exists() else 0
if left:
    away.write_text(str(left - 1))
    sys.exit("Cannot connect")
deadline = time.monotonic() + 60
while sys.argv[1] in ("save", "pause") and (here / "wait").exists() and not (here / "go").exists():
    if time.monotonic() > deadline:
        sys.exit("nobody said go")
    time.sleep(0.02)
with (here / "done").open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "save":
    out, manifest = io.BytesIO(), []
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(path, content):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for image in sys.argv[2:]:
            name = image.split(":")[1]
            add(f"{name}.json", (here / f"{name}.json").read_bytes())
            add(f"x{name}/layer.tar", (here / f"{name}.layer").read_bytes())
            manifest.append({"Config": f"{name}.json", "Layers": [f"x{name}/layer.tar"]})
        add("manifest.json", json.dumps(manifest).encode())
    content = out.getvalue()
    partly = (here / "broken").exists() or (here / "half").exists()
    sys.stdout.buffer.write(content[: len(content) // 2] if partly else content)
    if (here / "broken").exists():
        sys.exit("Cannot connect")
"""


@dataclass
class Site:
    """One host: a project folder, a volume, images in a pretended engine, a repository."""

    root: Path
    images: list[Image] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def volume(self) -> Path:
        return self.root / "volumes" / "data" / "_data"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    def restic(self, **changed: Any) -> Restic:
        given = {
            "location": str(self.home / "restic"),
            "home": self.home,
            "password_file": self.home / "password",
            "host": "eloquence",
        }
        return Restic(**(given | changed))

    def add_image(self, layer: bytes) -> Image:
        digest = sha256(layer).hexdigest()
        config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}})
        name = sha256(config.encode()).hexdigest()
        (self.bin / f"{name}.json").write_text(config)
        (self.bin / f"{name}.layer").write_bytes(layer)
        image = Image(f"sha256:{name}", (f"thing:{len(self.images)}",), (), len(layer))
        self.images.append(image)
        return image

    def backup(self, run: str, **changed: Any) -> Backup:
        contents = Contents(tuple(self.images), tuple(self.trees), (), (), (), ())
        client = SimpleNamespace(version=lambda: {"Version": "20.10", "ApiVersion": "1.41"})
        given = {
            "client": client,
            "stack": "eloquence",
            "run": run,
            "contents": contents,
            "restic": self.restic(),
            "scratch": self.root / "scratch",
            "keep": Keep(),
        }
        return Backup(**(given | changed))

    def asked(self, log: str = "asked") -> list[str]:
        """What was asked of the engine's command, or has been `done` by it."""
        path = self.bin / log
        return path.read_text().splitlines() if path.exists() else []


@functools.cache
def _empty() -> tempfile.TemporaryDirectory[str]:
    made = tempfile.TemporaryDirectory(prefix="releve-test-")
    home = Path(made.name) / "home"
    Restic(str(home / "restic"), home, home / "password", "eloquence").ensure()
    make_quick(home / "restic", home / "password")
    return made


@pytest.fixture
def empty_repository() -> Path:
    """A home with an empty repository, made once for all files of tests: it takes seconds."""
    return Path(_empty().name) / "home"


@pytest.fixture
def site(tmp_path: Path, empty_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site(tmp_path)
    shutil.copytree(empty_repository, found.home)
    for folder in (found.project, found.volume, found.bin):
        folder.mkdir(parents=True)
    docker = found.bin / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{found.bin}:{os.environ['PATH']}")
    (found.project / "docker-compose.yml").write_text("services: {}\n")
    (found.volume / "one.json").write_text("{}")
    found.trees = [
        Tree("project", str(found.project), str(found.project)),
        Tree("volume", "data", str(found.volume)),
    ]
    return found


def files_of(restic: Restic, snapshot: str, into: Path) -> Path:
    """Everything of a snapshot, restored below a folder that is returned."""
    restic.restore(snapshot, into)
    return into


def flip_a_byte(pack: Path) -> None:
    """In the middle of a file of a repository."""
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)
