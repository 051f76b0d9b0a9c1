"""A copy of a stack beside it, made from a backup: a place to rehearse a migration.

It is a compose project of its own name, with networks, volumes and folders of its own and no
published port, so that every playbook works on it with `-e stack=<its name>`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..backup.archive import Archive
from ..backup.contents import CONFIG_FILES, ENV_FILES, WORKING_DIR, BackupError, labels_of
from ..backup.disk_space import need_room
from ..stack import PROJECT, SERVICE, STACK
from .launch import Launcher, aliases, rehearsed
from .put_back import put_back
from .rehearsal import await_registration, load, sources_of
from .restore import starting_order

BRANCH = "migration-livekit-v1"


class ScratchCopy:
    """The copy of one stack. `folder` holds its project and binds, below their old paths."""

    def __init__(self, client: Any, stack: str, folder: Path) -> None:
        self._client = client
        self._launcher = Launcher(client)
        self._stack = stack
        self._folder = folder
        self.name = f"{stack}-rehearsal"

    def renamed(self, name: str) -> str:
        """The copy's name for a name of the stack."""
        rest = name.removeprefix(self._stack)
        return f"{self.name}{rest}" if rest != name else f"{self.name}-{name}"

    def exists(self) -> bool:
        """Whether there is one, made to the end."""
        chosen = {"label": f"{PROJECT}={self.name}"}
        there = bool(self._client.containers.list(all=True, filters=chosen))
        return there and self._whole.exists()

    @property
    def _whole(self) -> Path:
        return self._folder / ".whole"

    def make(self, archive: Archive, agent_service: str) -> None:
        """Make and start it; returns when its agent is registered at its server.

        Raises BackupError, ResticError, docker's errors; what was made until then is removed.
        """
        try:
            self._make(archive, agent_service)
        except Exception:
            self.remove()
            raise

    def _make(self, archive: Archive, agent_service: str) -> None:
        running = [
            item
            for item in sorted(archive.containers, key=starting_order)
            if item["State"]["Running"] and STACK not in labels_of(item)
        ]
        refuse_foreign_urls(running)
        files = [tree for tree in archive.trees if tree.kind in ("project", "bind")]
        volumes = [tree for tree in archive.trees if tree.kind == "volume"]
        engine = Path(self._client.info()["DockerRootDir"])
        need_room([(self._folder, archive.size(*files)), (engine, archive.size(*volumes))])
        self._folder.mkdir(parents=True, mode=0o700)
        archive.restic.progress("project and folders")
        complaints = archive.restore(files, self._folder)
        if complaints:
            raise BackupError(f"the backup {archive.id} is not whole: {complaints[0]}")
        for network in archive.definitions["networks"]:
            self._client.networks.create(
                self.renamed(network["Name"]),
                driver=network["Driver"],
                internal=network["Internal"],
                labels=self._labels(network.get("Labels")),
            )
        for tree in volumes:
            archive.restic.progress(f"volume {tree.name}")
            made = self._client.volumes.create(
                name=self.renamed(tree.name), labels=self._labels({})
            )
            put_back(archive, tree, Path(made.attrs["Mountpoint"]))
        agent = None
        for saved in running:
            archive.restic.progress(f"container {saved['Name'].lstrip('/')}")
            container = self._container(archive, saved)
            container.start()
            if labels_of(saved).get(SERVICE) == agent_service:
                agent = container
        if agent is None:
            raise BackupError(f"the backup {archive.id} holds no running {agent_service}")
        archive.restic.progress("waiting for the agent to register")
        await_registration(agent)
        self._whole.touch()

    def _container(self, archive: Archive, saved: dict[str, Any]) -> Any:
        load(self._client, archive, saved["Image"])
        networks = list(saved["NetworkSettings"]["Networks"] or {})
        first = self.renamed(networks[0])
        body = rehearsed(saved, first, self._folder, sources_of(archive))
        volumes = [
            f"{self.renamed(mount['Name'])}:{mount['Destination']}:{'rw' if mount['RW'] else 'ro'}"
            for mount in saved.get("Mounts") or ()
            if mount["Type"] == "volume"
        ]
        own = {mount["Destination"] for mount in saved["Mounts"] if mount["Type"] == "volume"}
        binds = [bind for bind in body["HostConfig"]["Binds"] if bind.split(":")[1] not in own]
        body["HostConfig"]["Binds"] = binds + volumes
        body["Labels"] = self._labels(labels_of(saved))
        made = self._launcher.create(self.renamed(saved["Name"].lstrip("/")), body)
        for name in networks[1:]:
            network = self._client.networks.get(self.renamed(name))
            network.connect(made, aliases=aliases(saved))
        return self._client.containers.get(made)

    def _labels(self, saved: dict[str, str] | None) -> dict[str, str]:
        labels = dict(saved or {}) | {PROJECT: self.name}
        # A compose file of its own, too: what Compose makes anew is made with the copy's folders.
        for key in (WORKING_DIR, CONFIG_FILES, ENV_FILES):
            paths = [path for path in labels.get(key, "").split(",") if path]
            if paths:
                labels[key] = ",".join(self._below(path) for path in paths)
        return labels

    def _below(self, path: str) -> str:
        return f"{self._folder}{os.path.realpath(path)}" if path.startswith("/") else path

    def remove(self) -> bool:
        """Remove the copy and all that a rehearsal started on it. False if there was none."""
        found = False
        for label in (f"{PROJECT}={self.name}", f"{STACK}={self.name}"):
            chosen = {"label": label}
            for container in self._client.containers.list(all=True, filters=chosen):
                container.remove(force=True, v=True)
                found = True
            for network in self._client.networks.list(filters=chosen):
                network.remove()
                found = True
            for volume in self._client.volumes.list(filters=chosen):
                volume.remove()
                found = True
        if self._folder.exists():
            shutil.rmtree(self._folder)
            found = True
        return found


def refuse_foreign_urls(containers: Sequence[dict[str, Any]]) -> None:
    """Raises BackupError if an agent's LIVEKIT_URL names no container of the stack: its copy would
    take the original's calls."""
    names = {name for item in containers for name in aliases(item)}
    for item in containers:
        env = dict(entry.partition("=")[::2] for entry in item["Config"].get("Env") or ())
        url = env.get("LIVEKIT_URL")
        if url and urlsplit(url).hostname not in names:
            raise BackupError(
                f"{item['Name'].lstrip('/')} calls {url}, which is no container of the stack by "
                "its name: a copy of it would answer the original's calls. Set LIVEKIT_URL to "
                "ws://<service>:<port>, make a new backup and prepare again"
            )


def ensure_branch(project: Path) -> bool:
    """The branch for the migration in the user's project, at its present commit and not checked
    out. False where it is there already, or the project is no repository with a commit."""
    if not (project / ".git").exists():
        return False
    if shutil.which("git") is None:
        raise BackupError(f"the branch {BRANCH} wants git on this host; install it and run again")
    owner = (project / ".git").stat()
    # As its owner: git refuses another's repository, and what root writes there is root's.
    user = ["--reuid", str(owner.st_uid), "--regid", str(owner.st_gid), "--clear-groups"]
    git = ["setpriv", *user, "git", "-C", str(project)]

    def knows(ref: str) -> bool:
        asked = [*git, "rev-parse", "--verify", "--quiet", ref]
        return subprocess.run(asked, capture_output=True).returncode == 0

    if knows(f"refs/heads/{BRANCH}") or not knows("HEAD"):
        return False
    done = subprocess.run([*git, "branch", BRANCH], capture_output=True, text=True)
    if done.returncode != 0:
        raise BackupError(f"git branch {BRANCH} in {project}: {done.stderr.strip()}")
    return True
