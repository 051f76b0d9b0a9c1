"""The restored server and agent, started where nobody else is, to be called by a probe."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..backup.archive import IMAGES_FILE, Archive, NotWholeError
from ..backup.contents import DATABASES, BackupError, labels_of
from ..stack import COLOUR, SERVICE
from .launch import Launcher, rehearsed

# Both SDKs and the server say it in these words.
REGISTERED = "registered worker"
REGISTERED_SECONDS = 120.0


def start(
    client: Any, archive: Archive, restored: Path, name: str, services: Sequence[str]
) -> dict[str, Any]:
    """Start databases, server and agent of a backup from what lies below `restored`.

    Returns the `network`. Raises BackupError when the agent does not register.
    """
    launcher = Launcher(client)
    launcher.remove(name)
    chosen = [
        item for service in (*DATABASES, *services) for item in _of(archive.containers, service)
    ]
    agents = [item for item in chosen if labels_of(item).get(SERVICE) == services[-1]]
    if not agents:
        raise BackupError(f"the backup {archive.id} holds no agent service {services[-1]}")
    sources = sources_of(archive)
    launcher.isolated_network(name)
    agent = None
    for container in chosen:
        archive.restic.progress(f"starting {container['Name'].lstrip('/')} from the backup")
        load(client, archive, container["Image"])
        label = labels_of(container)[SERVICE]
        body = rehearsed(container, name, restored, sources)
        agent = client.containers.get(launcher.create(f"{name}-{label}", body))
        agent.start()
    await_registration(agent)
    return {"network": name}


def _of(containers: Sequence[dict[str, Any]], service: str) -> list[dict[str, Any]]:
    found = []
    for item in containers:
        labels = labels_of(item)
        image = item["Config"]["Image"].rpartition("/")[2]
        database = service in DATABASES and image.startswith(service)
        if COLOUR not in labels and (database or labels.get(SERVICE) == service):
            found.append(item)
    return found[:1]


def sources_of(archive: Archive) -> dict[str, str]:
    """Where each mount's source lies in the backup, by the source's name at that time."""
    trees = [tree.path for tree in archive.trees]
    found = {}
    for container in archive.containers:
        for mount in container.get("Mounts") or ():
            source = mount.get("Source") or ""
            real = archive.definitions["real"].get(source, source)
            if any(real == path or real.startswith(f"{path}/") for path in trees):
                found[source] = real
    return found


def load(client: Any, archive: Archive, image_id: str) -> bool:
    """Have an image in the engine; False when it was there. Raises NotWholeError."""
    if any(item.id == image_id for item in client.images.list(all=True)):
        return False
    process = archive.restic.dump(archive.image_snapshots[image_id], IMAGES_FILE)
    done = subprocess.run(["docker", "load"], stdin=process.stdout, capture_output=True, text=True)
    assert process.stdout is not None
    process.stdout.close()
    said = process.communicate()[1].decode(errors="replace").strip().splitlines()
    if process.returncode or done.returncode:
        why = (done.stderr.strip().splitlines() or said or ["no reason given"])[-1]
        raise NotWholeError(f"image {image_id} cannot be loaded: {why}")
    return True


def await_registration(agent: Any, since: int | None = None) -> None:
    """Until a worker says that it is registered. Raises BackupError when it does not."""
    said = ""
    deadline = time.monotonic() + REGISTERED_SECONDS
    while time.monotonic() < deadline:
        agent.reload()
        said = agent.logs(tail=200, since=since).decode(errors="replace")
        if REGISTERED in said:
            return
        if agent.attrs["State"]["Status"] not in ("created", "running"):
            break
        time.sleep(0.3)
    last = (said.strip().splitlines() or ["it said nothing"])[-1]
    raise BackupError(f"the restored agent does not register at its server: {last[:300]}")


def write_keys(archive: Archive, restored: Path, dest: Path, owner: int) -> None:
    """The keys of the restored server in a file of mode 0600, as probes read it."""
    pair = _keys(archive)
    state = [tree.path for tree in archive.trees if Path(tree.path).name == "keys.yaml"]
    if pair is not None:
        text = f"{json.dumps(pair[0])}: {json.dumps(pair[1])}\n"
    elif state:
        text = (restored / state[0].lstrip("/")).read_text(encoding="utf-8")
    else:
        raise BackupError(f"the backup {archive.id} holds no LiveKit keys")
    handle = os.open(dest, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chown(dest, owner, owner)


def _keys(archive: Archive) -> tuple[str, str] | None:
    for container in archive.containers:
        env = dict(item.partition("=")[::2] for item in container["Config"].get("Env") or ())
        key, secret = env.get("LIVEKIT_API_KEY"), env.get("LIVEKIT_API_SECRET")
        if key and secret:
            return key, secret
    return None
