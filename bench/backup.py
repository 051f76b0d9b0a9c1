"""Backup and restore beside `docker save | zstd` and `tar | zstd`, in one run, on the same things.

Needs root, an engine with the demo's images, restic, zstd, and 6 GB. Writes var/bench/backup.json.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker

from figures import figure, write

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "plugins"))

from module_utils.backup.archive import IMAGES_FILE  # noqa: E402
from module_utils.backup.contents import read_contents  # noqa: E402
from module_utils.backup.snapshot import Backup  # noqa: E402
from module_utils.restic.repository import Restic  # noqa: E402

NAME = f"releve-bench-{os.getpid()}"
LABEL = f"com.docker.compose.project={NAME}"
IMAGES = ("livekit/livekit-server", "eloquence-agent", "releve")
VOLUME_BYTES = 1_000_000_000


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def shell(command: str) -> None:
    """Run it; a part of a pipe that fails fails all of it."""
    subprocess.run(["bash", "-o", "pipefail", "-c", command], check=True, capture_output=True)


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def fill(folder: Path) -> None:
    """A gigabyte: half of it cannot be compressed, as recordings cannot; the other half is text."""
    chance = random.Random(7)  # noqa: S311
    words = [f"{chance.random():.6f} said the coach".encode() for _ in range(5000)]
    for number in range(20):
        with (folder / f"recording-{number}").open("wb") as file:
            file.writelines(chance.randbytes(1_000_000) for _ in range(25))
        with (folder / f"transcript-{number}").open("wb") as file:
            while file.tell() < VOLUME_BYTES // 40:
                file.write(b"\n".join(chance.choices(words, k=5000)))


@contextmanager
def stack(client: Any, project: Path) -> Iterator[list[str]]:
    """Containers of the demo's images (not started) and a volume; yields the image ids."""
    ids = sorted(
        {item.id for name in IMAGES for item in client.images.list(name=name) if item.tags}
    )
    if not ids:
        raise SystemExit("the demo's images are not here; run playbooks/images.yml")
    labels = {LABEL.partition("=")[0]: NAME, f"{LABEL.partition('=')[0]}.working_dir": str(project)}
    try:
        client.volumes.create(f"{NAME}-data", labels=labels)
        for number, image in enumerate(ids):
            mount = {f"{NAME}-data": {"bind": "/data", "mode": "rw"}}
            client.containers.create(image, name=f"{NAME}-{number}", labels=labels, volumes=mount)
        yield ids
    finally:
        for container in client.containers.list(all=True, filters={"label": LABEL}):
            container.remove(force=True)
        for volume in client.volumes.list(filters={"label": LABEL}):
            volume.remove()


def backups(client: Any, work: Path, restic: Restic) -> dict[str, Any]:
    """First and second backup, and the peer's."""
    project = work / "project"
    project.mkdir()
    (project / "docker-compose.yml").write_text("services: {}\n")
    with stack(client, project) as ids:
        volume = Path(client.volumes.get(f"{NAME}-data").attrs["Mountpoint"])
        fill(volume)
        save, tar = f"docker save {' '.join(ids)}", f"tar -C {volume} -cf - ."
        shell(f"{save} | cat >/dev/null; {tar} | cat >/dev/null; sync")  # equally warm for all
        peer = seconds(
            lambda: shell(f"{save} | zstd -q > {work}/i.zst; {tar} | zstd -q > {work}/v.zst; sync")
        )
        peer_all_cores = seconds(
            lambda: shell(
                f"{save} | zstd -q -T0 > {work}/i.zst; {tar} | zstd -q -T0 > {work}/v.zst; sync"
            )
        )
        peer_bytes = sum((work / name).stat().st_size for name in ("i.zst", "v.zst"))

        def back_up(run: str) -> None:
            contents = read_contents(client, NAME, ("livekit", "agent"), [])
            Backup(client, NAME, run, contents, restic, work / "scratch").go()
            shell("sync")

        first = seconds(lambda: back_up("first"))
        stored = size(work / "restic")
        second = seconds(lambda: back_up("second"))
        added = size(work / "restic") - stored
    return {
        "peer_backup": figure(peer, "s"),
        "first_backup": figure(first, "s"),
        "first_backup_to_peer": figure(first / peer, "ratio", at_most=1.4),
        "peer_backup_all_cores": figure(peer_all_cores, "s"),
        "first_backup_to_peer_all_cores": figure(first / peer_all_cores, "ratio"),
        "peer_bytes": figure(peer_bytes, "B"),
        "first_backup_bytes": figure(stored, "B"),
        "second_backup": figure(second, "s"),
        "first_backup_to_second": figure(first / second, "ratio", at_least=10),
        "second_backup_bytes": figure(100 * added / stored, "% of the first", at_most=1),
    }


def restores(client: Any, work: Path, restic: Restic) -> dict[str, Any]:
    """An image of our own, gone and loaded again from either."""
    source = client.images.list(name="releve")[0].id
    made = client.containers.create(source, name=f"{NAME}-source")
    try:
        shell(f"docker export {made.id} | docker import - {NAME}:copy")
    finally:
        made.remove(force=True)
    image = client.images.get(f"{NAME}:copy").id
    try:
        restic.save(["docker", "save", image], IMAGES_FILE, ["image", "restore", image])
        shell(f"docker save {image} | zstd -q -T0 > {work}/copy.zst")
        client.images.remove(image, force=True)
        peer = seconds(lambda: shell(f"zstd -q -dc {work}/copy.zst | docker load"))
        client.images.remove(image, force=True)

        def load() -> None:
            snapshot = restic.snapshots()[-1]["id"]
            process = restic.dump(snapshot, IMAGES_FILE)
            subprocess.run(
                ["docker", "load"], stdin=process.stdout, check=True, capture_output=True
            )
            if process.wait() != 0:
                raise SystemExit("restic could not read the image")

        ours = seconds(load)
    finally:
        client.images.remove(image, force=True)
    return {
        "peer_load": figure(peer, "s"),
        "restore_image": figure(ours, "s"),
        "restore_to_peer": figure(ours / peer, "ratio"),
    }


def main() -> None:
    """Measure, write, and fail when a limit does not hold."""
    client = docker.from_env(timeout=300)
    work = Path(tempfile.mkdtemp(prefix="releve-bench-", dir="/var/tmp"))
    restic = Restic(str(work / "restic"), work, work / "password", NAME)
    try:
        restic.ensure()
        engine = f"Docker {client.version()['Version']}, {restic.version()}"
        figures = backups(client, work, restic) | restores(client, work, restic)
    finally:
        shutil.rmtree(work)
    write("backup", f"{platform.system()} {platform.release()}, {engine}", figures)


if __name__ == "__main__":
    main()
